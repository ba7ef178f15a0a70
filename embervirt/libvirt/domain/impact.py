"""``virDomainModificationImpact``: whether a call is about the running guest, its definition, or both."""

from __future__ import annotations

from typing import NamedTuple

from embervirt.drivers.qemu.errors import VIR_FROM_DOM, DomainNotRunning
from embervirt.drivers.qemu.model import Domain
from embervirt.errors import InvalidArgument, OperationInvalid
from embervirt.libvirt.domain.base import Handle

LIVE, CONFIG = 1, 2
AFFECT = LIVE | CONFIG
"""Without either, the running guest if there is one, else the definition."""


class Impact(NamedTuple):
    """What is to be changed."""

    live: bool
    config: bool


def of(handle: Handle, flags: int) -> Impact:
    """What ``flags`` mean now. Raises OperationInvalid for what the domain is not, NoDomain."""
    running = handle._running()
    if running is None:
        handle._known()
    live = bool(flags & LIVE) or (not flags & AFFECT and running is not None)
    config = bool(flags & CONFIG) or (not flags & AFFECT and running is None)
    if live and running is None:
        raise DomainNotRunning("domain is not running")
    if config and handle._definition() is None:
        text = "transient domains do not have any persistent config"
        raise OperationInvalid(text, virdomain=VIR_FROM_DOM)
    return Impact(live, config)


def read(handle: Handle, flags: int) -> Domain:
    """The description that a question is about. Raises InvalidArgument for both, as ``of`` else."""
    if flags & AFFECT == AFFECT:
        text = "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive"
        raise InvalidArgument(text, virdomain=VIR_FROM_DOM)
    running = handle._running()
    if of(handle, flags).live and running is not None:
        return running.domain
    definition = handle._definition()
    if definition is None:
        raise handle._gone()
    return definition.domain

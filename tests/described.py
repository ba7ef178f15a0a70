"""A domain as the driver keeps it, and a run to compile it for: for tests of what is pure."""

from __future__ import annotations

from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.parts import CompileContext, EncryptedSecret
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import parse

RUN = CompileContext(
    domain_id=7,
    domain_dir="/run-dir",
    ram_path="/ram",
    monitor_fd=None,
    console_log=None,
    secret=lambda reference: EncryptedSecret(data="", iv=""),
    now=1_000_000_000.0,
)
"""Its secrets are empty, and nothing of it is on this host."""


def defined(text: str, caps: Capabilities, *, strict: bool = True) -> Domain:
    """As the driver defines it: completed, with its addresses, checked."""
    domain = assign(postparse(parse(Domain, text, strict=strict), caps, "/nvram"), caps)
    validate(domain, caps)
    return domain

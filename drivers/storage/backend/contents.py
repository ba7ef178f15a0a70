"""What a device holds, as blkid tells it: asked before anything is made on it."""

from __future__ import annotations

from pathlib import Path

from embervirt.drivers.storage.backend import child
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.errors import PoolBuilt, PoolProbeFailed, StorageArgument, StorageInvalid
from embervirt.drivers.storage.model import Pool

GROUP = "LVM2_member"
"""What blkid calls a physical volume of LVM."""

PROBE = ("--probe", "--output", "export", "--match-tag", "TYPE", "--match-tag", "PTTYPE")
QUIET = ("bash", "-p", "-c", '"$@" || test $? = 2', "blkid")
"""An exit status of 2 is blkid's word for: it holds nothing that I know."""


def held(device: str, programs: Programs) -> str | None:
    """The type of the file system, label or member of something; None for nothing that is known.

    Raises StorageInternal when blkid cannot tell, because there is no such device, or two answers, say.
    """
    said = programs.ask([*QUIET, child.find("blkid"), *PROBE, device])
    found = dict(line.partition("=")[::2] for line in said.splitlines())
    return found.get("TYPE") or found.get("PTTYPE")


def check_empty(device: str, expected: str, programs: Programs) -> None:
    """Before a build that does not overwrite.

    Raises PoolBuilt for a device that holds something, PoolProbeFailed for one that is not there.
    """
    if not Path(device).exists():
        raise PoolProbeFailed(f"Failed to create filesystem probe for device {device}: it does not exist")
    found = held(device, programs)
    if found == expected:
        raise PoolBuilt(f"Device '{device}' already formatted using '{found}'")
    if found is not None:
        raise PoolBuilt(
            f"Format of device '{device}' does not match the expected format '{expected}', forced overwrite"
            f" is necessary: it holds '{found}'"
        )


def check_built(pool: Pool, device: str, expected: str, programs: Programs) -> None:
    """Before a start.

    Raises StorageArgument for a device that is not there, StorageInvalid for one that holds something else,
    PoolProbeFailed for one that holds nothing.
    """
    if not Path(device).exists():
        raise StorageArgument(f"device path '{device}' doesn't exist: pool '{pool.name}'")
    found = held(device, programs)
    if found is None:
        raise PoolProbeFailed(f"Device '{device}' is unrecognized, requires build")
    if found != expected:
        raise StorageInvalid(
            f"Format of device '{device}' does not match the expected format '{expected}': pool"
            f" '{pool.name}', it holds '{found}'"
        )

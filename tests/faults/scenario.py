"""A program that does one of everything, for tests that make something go wrong in it: ``scenario.py ROOT``.

Prints what its passes of the fault points were, as JSON, when it comes to its end.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import embervirt as libvirt
from embervirt import faults

NAMES = ("steady", "busy")
SECRET = "11111111-2222-4333-8444-555555555555"
VALUES = (b"first", b"second")
SETTINGS: dict[str, object] = {"calls.deadline": 20.0, "qemu.qmp_timeout": 3.0, "qemu.destroy_timeout": 0.5}
"""Short, for what is lost is waited for."""
if os.geteuid() == 0:
    SETTINGS["qemu.group"] = "+65534"  # so that files change hands


def xml(name: str, memory: int) -> str:
    """A domain without a disk; its memory in MiB tells its old definition from its new one."""
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>{memory}</memory>
      <uuid>00000000-0000-4000-8000-{name.encode().hex().zfill(12)}</uuid>
      <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""


def secret(conn: libvirt.virConnect) -> None:
    """Made with a value, which is then changed."""
    text = f"<secret><uuid>{SECRET}</uuid><usage type='ceph'><name>key</name></usage></secret>"
    made = conn.secretDefineXML(text)
    for value in VALUES:
        made.setValue(value)


def guest(conn: libvirt.virConnect) -> None:
    """From its definition to its end."""
    steady, busy = (conn.defineXML(xml(name, 32)) for name in NAMES)
    steady.create()
    conn.defineXML(xml(NAMES[0], 48))
    steady.suspend()
    steady.resume()
    busy.undefine()
    steady.destroy()
    steady.create()


def attempt(do: Callable[[], None]) -> None:
    """An error of the tree is an answer; a bug that was injected into this thread is one too."""
    try:
        do()
    except (libvirt.libvirtError, faults.Injected) as error:
        sys.stderr.write(f"{error}\n")


def main(root: Path) -> None:
    """One guest is left running, as an agent that ends leaves it."""
    attempt(lambda: everything(root))


def everything(root: Path) -> None:
    """From its opening to its end."""
    conn = libvirt.open(f"qemu:///embed?root={root}", settings=SETTINGS)
    heard = conn.root.subscribe()
    attempt(lambda: secret(conn))
    attempt(lambda: guest(conn))
    heard.close()
    conn.close()


if __name__ == "__main__":
    with faults.record() as passed:
        main(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(passed))

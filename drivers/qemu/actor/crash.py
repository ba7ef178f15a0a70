"""What becomes of a guest that panicked, or that its watchdog gave up: its XML says so."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

from embervirt import disk
from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.actor.ladder import Ladder
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.root.files import explained, make_directories
from embervirt.drivers.root.paths import short_name
from embervirt.errors import OperationFailed, libvirtError

DUMP = "dump-guest-memory"


class Crash:
    """Used on the actor's thread only. ``dumps``: the directory for memory images.

    A QEMU that died is no crash that a guest can be looked at after: of ``on_crash`` only a restart is left,
    which is another run (``Revive``). libvirt lets the domain be off, crashed, whatever ``on_crash`` says.
    """

    def __init__(self, actor: Actor, seen: Seen, link: Link, ladder: Ladder, dumps: Path) -> None:
        self._actor, self._seen, self._link, self._ladder, self._dumps = actor, seen, link, ladder, dumps
        self._dumping = False

    def panicked(self) -> None:
        """QEMU paused it: that is told, then that it crashed, then its ``on_crash`` is done."""
        if self._seen.state.state == states.RUNNING:
            self._seen.become(states.PAUSED_UNKNOWN, states.SUSPENDED_PAUSED)
        self._seen.become(states.GUEST_CRASHED, states.CRASHED_PANICKED)
        self.act()

    def act(self) -> None:
        """For a guest that has crashed, also one that is found so."""
        policy = self._seen.plan.domain.on_crash
        if self._dumping:
            return
        if policy.startswith("coredump-"):
            self._actor.work(self._dumped(policy.removeprefix("coredump-")))
        else:
            self._end(policy)

    def _end(self, policy: str) -> None:
        if policy == "restart":
            self._ladder.restart()
        elif policy == "destroy":
            self._ladder.panicked = True
            self._ladder.finish()

    def _dumped(self, policy: str) -> Work[None]:
        yield from self._dump("on_crash")
        self._end(policy)

    def watchdog(self) -> Work[None]:
        """Its action ``dump``: the guest is paused, and goes on after that."""
        yield from self._dump("watchdog")
        try:
            yield from self._link.ask("cont")
        except libvirtError as error:
            self._seen.degrade(f"watchdog: {error.detail}")
        else:
            if self._seen.state == states.PAUSED_WATCHDOG:
                self._seen.become(states.UNPAUSED, states.RESUMED_UNPAUSED)

    def _dump(self, why: str) -> Work[None]:
        """What keeps it from a whole image is shown; the rest of the policy does not depend on it."""
        self._dumping = True
        path = self._dumps / dump_name(self._seen.plan.id, self._seen.plan.domain.name)
        try:
            with explained("dump memory to", path):
                make_directories([self._dumps])
                file = disk.create(path)
            try:
                yield from self._write(file.descriptor)
            finally:
                disk.close(file)
        except libvirtError as error:
            self._seen.degrade(f"{why}: {error.detail}")
            with contextlib.suppress(OSError):
                disk.unlink(path, missing_ok=True)
        finally:
            self._dumping = False

    def _write(self, descriptor: int) -> Work[None]:
        """Takes as long as the memory is large; the guest is paused, and QEMU answers meanwhile."""
        ended = self._link.next("DUMP_COMPLETED")
        yield from self._link.give("dump", descriptor)
        yield from self._link.ask(DUMP, {"paging": False, "protocol": "fd:dump", "detach": True})
        told = yield ended
        if told["result"]["status"] != "completed":
            raise OperationFailed(f"{DUMP} failed: {told.get('error', 'QEMU does not say why')}")


def dump_name(id_: int, name: str) -> str:
    """As libvirt names it: ``5-web-2026-01-31-12:00:00``, in local time."""
    return f"{id_}-{short_name(name)}-{datetime.now().astimezone():%Y-%m-%d-%H:%M:%S}"

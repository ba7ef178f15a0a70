"""How a guest's QEMU is brought to its end: rung by rung, until the process is gone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.actor.changes import Changes
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.service import stop
from embervirt.drivers.qemu.service.stop import Rung
from embervirt.drivers.root.journal import Operating, Operation
from embervirt.errors import OperationAborted, SystemError_, libvirtError
from embervirt.supervisor.identity import Process

AGAIN = 10.0
"""Seconds after which a guest that powered off, and whose QEMU could not be ended, is tried again."""


class Ladder:
    """Used on the actor's thread only. ``gone`` is done when QEMU has ended.

    ``shut_down``: the guest has ended by itself. ``destroyed``: it is being ended whatever it does.
    ``panicked``: it is ended because it crashed. ``restarting``: it boots again in its QEMU, which tells of
    pauses on the way that are nobody's business.
    """

    process: Process

    def __init__(
        self, actor: Actor, seen: Seen, changes: Changes, link: Link, gone: Future[None], seconds: float
    ) -> None:
        self._actor, self._seen, self._changes, self._link = actor, seen, changes, link
        self._gone, self._seconds = gone, seconds
        self.shut_down = self.destroyed = self._over = self.panicked = self.restarting = False

    def destroy(self, graceful: bool = False) -> Work[None]:
        """SIGTERM, and SIGKILL unless ``graceful``. Raises SystemError_ when it stays."""
        yield from self._begin("destroy", stop.rungs(graceful, self._seconds))

    def end(self, patience: float) -> Work[str]:
        """The whole ladder: the name of the rung that did it. Raises SystemError_ when it stays."""
        return self._begin("end", stop.whole(patience, self._seconds))

    def _begin(self, what: str, rungs: tuple[Rung, ...]) -> Work[str]:
        with self._changes.begun(what, rungs=[(rung.name, rung.seconds) for rung in rungs]) as operation:
            return (yield from self._descend(what, operation, rungs))

    def resume(self, operation: Operation) -> None:
        """Go on from the rung on which an earlier generation, or process, died; nobody waits for that."""

        def work() -> Work[str]:
            rungs = tuple(Rung(*each) for each in operation.plan["rungs"])
            names = [rung.name for rung in rungs]
            first = names.index(operation.steps[-1]) if operation.steps else 0
            with self._changes.resumed(operation) as operating:
                return (yield from self._descend(operation.what, operating, rungs[first:]))

        self._actor.work(self._unattended(work))

    def autodestroy(self) -> None:
        """Nobody waits for that."""
        self._actor.work(self._unattended(lambda: self._begin("destroy", stop.rungs(False, self._seconds))))

    @property
    def restarts(self) -> bool:
        """Whether its next power-off is half of a reboot."""
        return self._seen.record.reboots or self._seen.plan.domain.on_poweroff == "restart"

    def powered_off(self) -> None:
        """The guest has ended by itself; QEMU waits, paused, for what is to become of it."""
        if self._over or self._seen.looked_at_only:
            return
        if self.restarts:
            self.restart()
        else:
            self.finish()

    def finish(self) -> None:
        """The guest has ended by itself, and QEMU is to end."""
        if not self._over:
            self._over = self.shut_down = True
            rungs = stop.rungs(False, self._seconds)
            self._actor.work(self._unattended(lambda: self._begin("end", rungs), AGAIN))

    def restart(self, operation: Operation | None = None) -> None:
        """The guest boots again in its QEMU; ``operation`` is one that was not brought to its end."""
        self._over = self.restarting = True
        self._actor.work(self._restart(operation))

    def _restart(self, before: Operation | None) -> Work[None]:
        changes = self._changes
        try:
            with changes.begun("restart") if before is None else changes.resumed(before) as operation:
                yield from self._link.ask("system_reset")
                operation.mark("reset")
                yield from self._link.ask("cont")
        except libvirtError as error:  # it is tried again when QEMU answers
            self._seen.degrade(f"restart: {error.detail}")
        else:
            self._booted()
        self._over = self.restarting = False

    def _booted(self) -> None:
        """As libvirt tells it: who was seen to run all the time has only rebooted."""
        self._seen.expect_reboot(False)
        before = self._seen.state.state
        booted = states.AFTER_CRASH if before == states.CRASHED else states.BOOTED
        if before == states.RUNNING:
            self._seen.publish(booted)
        else:
            self._seen.become(booted, states.RESUMED_UNPAUSED)

    def _unattended(self, make: Callable[[], Work[str]], again: float = 0.0) -> Work[None]:
        """What keeps it from its end is shown."""
        while not self._gone.done():
            try:
                yield from make()
            except (SystemError_, OperationAborted) as error:
                self._seen.degrade(f"end: {error.detail}")
            if not again:
                break
            yield self._actor.within(self._gone, again)

    def _descend(self, what: str, operation: Operating, rungs: tuple[Rung, ...]) -> Work[str]:
        try:
            for rung in rungs:
                if not rung.fits(self.process, hears=self._link.hears, runs=self._runs):
                    continue
                operation.mark(rung.name)
                self.destroyed = what == "destroy" or (rung.final and not self.shut_down)
                self._actor.context.fence.check()
                rung.press(self.process, self._link.tell)
                if (yield self._actor.within(self._gone, rung.seconds)):
                    return rung.name
        finally:
            doomed, self.destroyed = self.destroyed, False
        raise self._stays(rungs, doomed)

    @property
    def _runs(self) -> bool:
        return self._seen.state.state == states.RUNNING

    def _stays(self, rungs: tuple[Rung, ...], doomed: bool) -> SystemError_:
        """After SIGKILL what QEMU does is not known any more; a start is refused until it has ended."""
        if rungs[-1].name == "SIGKILL":
            self.destroyed = doomed
            self._seen.publish(states.NO_STATE)
            self._seen.degrade("process: it does not end")
        return stop.stays(self.process, rungs)

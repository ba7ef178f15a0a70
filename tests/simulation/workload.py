"""What the clients of a simulated root do, and what may be expected after each of their calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from embervirt.actors.messages import Request
from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.capabilities import Capabilities, Machine
from embervirt.drivers.qemu.messages import (
    Create,
    Define,
    Destroy,
    DomainRef,
    Query,
    Resume,
    Shutdown,
    Suspend,
    Undefine,
)
from embervirt.drivers.qemu.model import Domain as Model
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.xml import parse, render
from embervirt.errors import (
    InternalError,
    InvalidConnection,
    OperationTimeout,
    OutcomeUnknown,
    SystemError_,
    libvirtError,
)
from embervirt.runtime.root import Root
from embervirt.testing.replies import DEVICES, OBJECTS
from simulation.qemu import BINARY, Host
from simulation.scheduler import Failure, Scheduler

SLACK = 15.0
"""Seconds by which a call may outlast its deadline: so long may the scheduler hold up who ends it."""

UNKNOWN = (OutcomeUnknown, OperationTimeout, InvalidConnection, InternalError, SystemError_)
"""After these it may have happened: nobody knows, the actor crashed, or the disk failed."""


@cache
def capabilities() -> Capabilities:
    """Of every simulated QEMU."""
    machine = Machine("pc-q35-7.2", "q35", "pc.ram", 288, False)
    return Capabilities(
        binary=BINARY,
        version=(7, 2, 0),
        arch="x86_64",
        machines={machine.name: machine},
        aliases={"q35": machine.name},
        devices=frozenset(DEVICES),
        objects=frozenset(OBJECTS),
        commands=frozenset(),
        kvm=False,
    )


@cache
def described(name: str, uuid: str, memory: int) -> str:
    """The whole XML of a small guest."""
    text = f"""
        <domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>{memory}</memory>
        <vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
        <devices><emulator>{BINARY}</emulator></devices></domain>"""
    return render(assign(postparse(parse(Model, text), capabilities()), capabilities()))


@dataclass(eq=False)
class Domain:
    """One, and what is known of it. ``may_be``: the definitions it may have now, None for none."""

    name: str
    uuid: str
    may_be: set[str | None] = field(default_factory=lambda: {None})

    @property
    def versions(self) -> tuple[str, str]:
        """Two definitions that it gets in turn."""
        return described(self.name, self.uuid, 32), described(self.name, self.uuid, 64)


def domains(count: int) -> list[Domain]:
    """So many."""
    return [Domain(f"guest{n}", f"00000000-0000-4000-8000-00000000000{n}") for n in range(count)]


class Client:
    """A thread of the host program's. Of its own domain it knows the definitions; all it starts and stops.

    ``started`` is told of each start that was answered.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        root: Root,
        host: Host,
        own: Domain,
        every: list[Domain],
        started: Callable[[DomainRef], object],
    ) -> None:
        self._scheduler, self._root, self._host = scheduler, root, host
        self._own, self._every, self._started = own, every, started
        self.settled = 0

    def run(self, calls: int) -> None:
        """So many calls; what they answer is judged here."""
        for _ in range(calls):
            self._scheduler.let_pass(self._scheduler.random.random() ** 3 * 0.5)
            self._scheduler.random.choice(ACTS)(self)

    def _call(self, name: str, request: Request[Any]) -> Any:
        """Raises what it raises, in time."""
        begun, what = self._scheduler.now, type(request).__name__
        allowed = (request.seconds or self._root.bus.seconds) + SLACK
        self._scheduler.note(f"asks {name} to {what}")
        outcome = "done"
        try:
            return self._root.call(name, request)
        except libvirtError as error:
            outcome = f"{type(error).__name__}: {error}"
            raise
        finally:
            took = self._scheduler.now - begun
            self._scheduler.note(f"{what} of {name}: {outcome} after {took:.3f} s")
            self.settled += 1
            if took > allowed and not self._scheduler.dying:
                raise Failure("each request settles by its deadline", f"{what} took {took:.1f} s")

    def _definition(self, request: Request[Any], wanted: str | None) -> None:
        """While it is under way, and when nobody knows, both may be."""
        before = set(self._own.may_be)
        self._own.may_be.add(wanted)
        try:
            self._call("qemu", request)
        except UNKNOWN:
            pass
        except libvirtError:
            self._own.may_be = before
        else:
            self._own.may_be = {wanted}

    def define(self) -> None:
        """One of two versions."""
        xml = self._scheduler.random.choice(self._own.versions)
        self._definition(Define(self._own.name, self._own.uuid, xml), xml)

    def undefine(self) -> None:
        """Whether it runs or not."""
        self._definition(Undefine(self._own.uuid, 0), None)

    def create(self) -> None:
        """Any domain."""
        domain = self._any()
        paused = self._scheduler.random.random() < 0.3
        try:
            ref = self._call("qemu", Create(domain.uuid, flags=int(paused)))
        except libvirtError:
            return
        self._started(ref)
        qemu = self._host.running(domain.name)
        if qemu is not None:
            qemu.acknowledged = True

    def _any(self) -> Domain:
        return self._scheduler.random.choice(self._every)

    def _ask(self, request: Request[Any]) -> None:
        """A domain that runs, if any does."""
        domain = self._any()
        row = self._face.tables.running.get(domain.uuid)
        qemu = self._host.running(domain.name)
        if row is None:
            return
        if qemu is not None and isinstance(request, Destroy | Shutdown):
            qemu.asked_to_end = True
        try:
            self._call(row.actor, request)
        except libvirtError:
            return
        if isinstance(request, Destroy) and qemu is not None and qemu.alive and self._is(row.id, domain):
            raise Failure("destroyed is gone", f"{domain.name} was destroyed and runs")

    def _is(self, id_: int, domain: Domain) -> bool:
        row = self._face.tables.running.get(domain.uuid)
        return row is not None and row.id == id_

    @property
    def _face(self) -> Any:
        return self._root.part("qemu").face

    def suspend(self) -> None:
        """Pause."""
        self._ask(Suspend())

    def resume(self) -> None:
        """Go on."""
        self._ask(Resume())

    def destroy(self) -> None:
        """At once."""
        self._ask(Destroy())

    def shutdown(self) -> None:
        """Please."""
        self._ask(Shutdown())

    def query(self) -> None:
        """A question to QEMU."""
        self._ask(Query('{"execute": "query-status"}'))

    def look(self) -> None:
        """What needs no message."""
        self._scheduler.checkpoint()
        for domain in self._every:
            row = self._face.tables.running.get(domain.uuid)
            if row is not None and row.uuid != domain.uuid:
                raise Failure("tables are whole", f"{row.uuid} is filed under {domain.uuid}")


ACTS: tuple[Callable[[Client], None], ...] = (
    *(Client.define, Client.define, Client.undefine),
    *(Client.create, Client.create, Client.create, Client.create),
    *(Client.suspend, Client.resume, Client.destroy, Client.shutdown, Client.query, Client.look),
)

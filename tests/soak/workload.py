"""What the threads of a soak do to the domains; each call is written down before it is made and after."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Query
from guest.domain import linux, small
from soak.history import Writer
from soak.model import ENDING, OFF, PAUSED, RUNNING

COUNTER = "counter"
"""The guest that counts its seconds; no call changes it, no fault hits its QEMU."""

SECRET = "<secret><usage type='ceph'><name>soak</name></usage></secret>"
VALUE = b"what was put into it"
RUN = re.compile(r"<domain [^>]*\bid='([0-9]+)'")
BY_STATUS = {"running": RUNNING, "paused": PAUSED, "prelaunch": PAUSED}


class Status(msgspec.Struct):
    """QEMU's answer to ``query-status``."""

    status: str


def names(domains: int) -> list[str]:
    """Of the domains that everything happens to."""
    return [f"d{number}" for number in range(domains)]


def xml(name: str) -> str:
    """The definition of a domain, with a UUID that is always the same."""
    if name == COUNTER:
        return linux(name)
    number = names(1000).index(name)
    return small(name, uuid=f"00000000-0000-4000-8000-{number:012d}", memory=2)


class Session:
    """One connection with a handle on every domain; a new one after each reopen."""

    def __init__(self, uri: str, domains: list[str], writer: Writer) -> None:
        self.conn = libvirt.open(uri)
        self._writer = writer
        self.handles = {name: handle for name in domains if (handle := self._handle(name)) is not None}
        found = [each for each in self.conn.listAllSecrets() if each.usageID() == "soak"]
        self.secret = found[0] if found else self.conn.secretDefineXML(SECRET)

    def _handle(self, name: str) -> libvirt.virDomain | None:
        """Of one that exists, or is defined now."""
        try:
            return self.conn.lookupByName(name)
        except libvirt.libvirtError:
            recorded(self._writer, "define", name, lambda: number(self.conn.defineXML(xml(name))))
            return self.conn.lookupByName(name)


def number(_: object) -> int:
    """The value of a call that answers nothing of interest."""
    return 0


def ask(conn: libvirt.virConnect, domain: libvirt.virDomain) -> int:
    """The domain's state as its QEMU says it."""
    run = domain.ID()
    if run < 0:
        return OFF
    answer = conn.root.call(f"guest/{run}", Query('{"execute": "query-status"}'))
    return BY_STATUS.get(msgspec.json.decode(answer, type=Status).status, ENDING)


def described(domain: libvirt.virDomain) -> int:
    """The id in its XML, -1 without."""
    match = RUN.search(domain.XMLDesc())
    return int(match[1]) if match else -1


def secret_kept(session: Session) -> int:
    """Its value is the one that was set, whoever crashed meanwhile."""
    session.secret.setValue(VALUE)
    if session.secret.value() != VALUE:
        raise AssertionError("the secret has another value than was set")
    return 0


Do = Callable[[Session, str], int | list[str]]
START_PAUSED = 1
ACTIVE = 1

DOMAIN_CALLS: dict[str, tuple[int, Do]] = {
    "create": (14, lambda s, name: s.handles[name].create()),
    "create paused": (2, lambda s, name: s.handles[name].createWithFlags(START_PAUSED)),
    "destroy": (6, lambda s, name: s.handles[name].destroy()),
    "suspend": (10, lambda s, name: s.handles[name].suspend()),
    "resume": (10, lambda s, name: s.handles[name].resume()),
    "shutdown": (3, lambda s, name: s.handles[name].shutdown()),
    "define": (5, lambda s, name: number(s.conn.defineXML(xml(name)))),
    "undefine": (2, lambda s, name: s.handles[name].undefine()),
    "state": (12, lambda s, name: s.handles[name].state()[0]),
    "info": (4, lambda s, name: s.handles[name].info()[0]),
    "id": (8, lambda s, name: s.handles[name].ID()),
    "description": (4, lambda s, name: described(s.handles[name])),
    "active": (4, lambda s, name: s.handles[name].isActive()),
    "persistent": (4, lambda s, name: s.handles[name].isPersistent()),
    "ask": (6, lambda s, name: ask(s.conn, s.handles[name])),
}
"""Calls on one domain, each with its weight among all."""

READS = {"state", "info", "id", "description", "active", "persistent", "ask"}
"""Those that may be made on the counter as well."""

OTHER_CALLS: dict[str, tuple[int, Do]] = {
    "listed": (4, lambda s, _: [each.name() for each in s.conn.listAllDomains()]),
    "listed active": (4, lambda s, _: [each.name() for each in s.conn.listAllDomains(ACTIVE)]),
    "secret": (4, lambda s, _: secret_kept(s)),
}
"""Calls that concern all domains, or none."""

CALLS = DOMAIN_CALLS | OTHER_CALLS
NAMES, WEIGHTS = list(CALLS), [weight for weight, _ in CALLS.values()]


def recorded(writer: Writer, op: str, domain: str, call: Callable[[], int | list[str]]) -> None:
    """Make a call; how it ends is written down. What is no libvirtError ends the thread."""
    id_ = writer.begin(op, domain)
    try:
        value = call()
    except libvirt.libvirtError as error:
        classes = [cls.__name__ for cls in type(error).__mro__ if issubclass(cls, libvirt.libvirtError)]
        writer.fail(id_, classes, error.get_error_code() or 0, str(error))
    else:
        writer.end(id_, value)


@dataclass
class Work:
    """What the threads of one program share. ``session`` is replaced by a reopen; ``over`` ends them."""

    session: Session
    domains: list[str]
    writer: Writer
    over: threading.Event
    pause: float


class Worker(threading.Thread):
    """Makes calls chosen by a generator of its own until told to stop."""

    def __init__(self, work: Work, seed: str) -> None:
        super().__init__(name=f"worker {seed}", daemon=True)
        self._work, self._random = work, random.Random(seed)

    def run(self) -> None:
        """Between calls it waits, on average, ``pause`` seconds."""
        work = self._work
        while not work.over.wait(self._random.expovariate(1 / work.pause)):
            op = self._random.choices(NAMES, WEIGHTS)[0]
            domain = self._domain(op)
            session = work.session
            call = CALLS[op][1]
            recorded(work.writer, op, domain, partial(call, session, domain))

    def _domain(self, op: str) -> str:
        if op in OTHER_CALLS:
            return ""
        among = [*self._work.domains, COUNTER] if op in READS else self._work.domains
        return self._random.choice(among)

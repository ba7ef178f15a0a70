"""Network cards of a running guest: their other ends are made, changed and released."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.network.messages import Unplug, UpdatePort
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.backend import swtpm
from embervirt.drivers.qemu.errors import MonitorError
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.model import Device, Interface
from embervirt.drivers.qemu.parts.netdev import host_id, rules_of
from embervirt.drivers.qemu.plugging.update import link_of
from embervirt.drivers.qemu.service import cards
from embervirt.drivers.qemu.service.cards import Card
from embervirt.errors import OperationFailed, OperationTimeout, OutcomeUnknown, libvirtError
from embervirt.supervisor.processes import PROCESSES_ACTOR, Watch

NO_PORT = 107
"""VIR_ERR_NO_NETWORK_PORT: its network was stopped meanwhile."""


class Cards:
    """Used on the actor's thread only."""

    def __init__(self, actor: Actor, face: Face, seen: Seen, link: Link) -> None:
        self._actor, self._face, self._seen, self._link = actor, face, seen, link

    @contextmanager
    def made(self, devices: Sequence[Device]) -> Iterator[list[Card]]:
        """With the other ends of cards among ``devices``, on record; released if it comes to nothing."""
        wanted = [each for each in devices if isinstance(each, Interface)]
        for each in wanted:
            cards.check(each)
        with ExitStack() as handed:
            with ExitStack() as undo:
                maker = self._maker(undo, handed)
                found = [maker.one(each) for each in wanted if cards.made(each)]
                self._keep(found)
                undo.pop_all()
            try:
                yield found
            except (OutcomeUnknown, OperationTimeout):
                raise  # QEMU may have it
            except libvirtError:
                self.release(wanted)
                raise

    def _maker(self, undo: ExitStack, handed: ExitStack) -> cards.Maker:
        plan, face = self._seen.plan, self._face
        return cards.Maker(plan, face.paths, face.account, self._actor.call, face.bus, undo, handed, hot=True)

    def _keep(self, found: Sequence[Card]) -> None:
        record = self._seen.record
        ports = {each.live.id: each.port for each in found if each.port}
        helpers = {each.live.id: each.helper for each in found if each.helper}
        if found:
            self._seen.keep_cards(record.ports | ports, record.helpers | helpers)
        for alias, helper in helpers.items():
            self._actor.bus.tell(PROCESSES_ACTOR, Watch(helper, self._actor.context.name, role=alias))

    def given(self, found: Sequence[Card], work: Work[None]) -> Work[None]:
        """QEMU gets the descriptors by name, then ``work``, which uses them."""
        names: list[str] = []
        try:
            for card in found:
                for each in (*card.fds, *card.vhost):
                    names.append(name(each))
                    yield from self._link.give(name(each), each)
            yield from work
        except MonitorError:
            yield from self._closed(names)
            raise

    def _closed(self, names: Sequence[str]) -> Work[None]:
        for each in names:
            try:
                yield from self._link.ask("closefd", {"fdname": each})
            except MonitorError as used:
                self._actor.log.debug("descriptor is in use or gone", name=each, why=used.desc)

    def release(self, devices: Sequence[Device]) -> None:
        """Of cards that the guest has not, or not any more."""
        live = {each.id for each in self._seen.live.devices.interfaces}
        gone = [each.id for each in devices if isinstance(each, Interface) and each.id not in live]
        record = self._seen.record
        for alias in gone:
            if alias in record.ports:
                self._actor.bus.tell(cards.NETWORK, Unplug(record.ports[alias]))
            if alias in record.helpers:
                swtpm.stop(record.helpers[alias])
                self._seen.spare(alias)
        ports = {alias: port for alias, port in record.ports.items() if alias not in gone}
        helpers = {alias: helper for alias, helper in record.helpers.items() if alias not in gone}
        if (ports, helpers) != (record.ports, record.helpers):
            self._seen.keep_cards(ports, helpers)

    # Change.

    def change(self, old: Interface, new: Interface) -> Work[None]:
        """Raises what the network driver says, MonitorError, OperationFailed for a port that is taken."""
        self._update_port(old, new)
        if link_of(old) != link_of(new):
            yield from self._link.ask("set_link", {"name": new.id, "up": link_of(new)})
        yield from self._forward(new, rules_of(old), rules_of(new))

    def _update_port(self, old: Interface, new: Interface) -> None:
        port = self._seen.record.ports.get(new.id)
        if port is None:
            return
        texts = {
            name: cards.text(getattr(new, name))
            for name in ("bandwidth", "filterref", "vlan")
            if getattr(old, name) != getattr(new, name)
        }
        up = link_of(new) if link_of(old) != link_of(new) else None
        isolated = bool(new.port and new.port.isolated) if old.port != new.port else None
        if texts or up is not None or isolated is not None:
            request = UpdatePort(port, link_up=up, isolated=isolated, **texts)
            try:
                self._actor.call(cards.NETWORK, request)
            except libvirtError as gone:
                if gone.code != NO_PORT or texts or isolated is not None:
                    raise  # else the guest's end of the link is all that there is

    def _forward(self, card: Interface, before: Sequence[str], after: Sequence[str]) -> Work[None]:
        """QMP has nothing for it. What cannot be had changes nothing."""
        new = [rule for rule in after if rule not in before]
        done: list[str] = []
        for rule in new:
            said = yield from self._human(f"hostfwd_add {host_id(card)} {rule}")
            if said:
                for each in done:
                    yield from self._remove(card, each)
                raise OperationFailed(f"cannot forward {rule}: {said}")
            done.append(rule)
        for rule in before:
            if rule not in after:
                yield from self._remove(card, rule)

    def _remove(self, card: Interface, rule: str) -> Work[None]:
        yield from self._human(f"hostfwd_remove {host_id(card)} {rule.partition('-')[0]}")

    def _human(self, line: str) -> Work[str]:
        said = yield from self._link.ask("human-monitor-command", {"command-line": line})
        return str(said).strip()


def name(descriptor: int) -> str:
    """Under which QEMU gets it."""
    return f"fd{descriptor}"

"""Networks as bridges of this host's kernel. Needs the right to configure its network (CAP_NET_ADMIN)."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec

from embervirt.drivers.network.backend import nftables, policing, sysctl, taps
from embervirt.drivers.network.backend.links import Link, Links, Subnet
from embervirt.drivers.network.backend.protocol import Plan, PortPlan
from embervirt.drivers.network.errors import NetworkInternal, NetworkUnsupported, told
from embervirt.drivers.network.names import filter_table, policing_table
from embervirt.drivers.network.store import Record
from embervirt.drivers.network.tables import PortRow
from embervirt.drivers.network.validate.conflicts import check_subnets
from embervirt.drivers.root.descriptors import close_all

PCI = Path("/sys/bus/pci/devices")
"""The host's devices, a directory each (sysfs)."""


class Host:
    """``links``: of the namespace and thread at work; ``hash8``: of the root, for names that others see.

    ``may`` raises when the generation at work was given up.
    """

    server = "dnsmasq"

    def __init__(self, links: Links, hash8: str, may: Callable[[], None] = lambda: None) -> None:
        self._links, self._hash8, self._may = links, hash8, may

    # Networks.

    def check(self, plan: Plan) -> None:
        """Raises NetworkSystemError for a bridge that is there, NetworkInternal for a subnet that is in use,
        NetworkUnsupported for a link that is not there, NetworkSystemError for a program.
        """
        for each in (*(("nft",) if plan.firewall else ()), *(("dnsmasq",) if plan.server else ())):
            nftables.program(each)
        zone = plan.network.bridge.zone if plan.network.bridge else None
        if zone:
            text = f"zone {zone} requested for network {plan.network.name} but firewalld is not active"
            raise NetworkUnsupported(f"{text}: zones are not served here, expected none")
        if plan.bridge is None:
            self._check_there(plan)
        else:
            self._check_free(plan)

    def _check_there(self, plan: Plan) -> None:
        name, forward = plan.network.name, plan.network.forward
        devices = [each.dev for each in forward.interfaces if each.dev] if forward else []
        for wanted in [*([plan.joined] if plan.joined else []), *devices]:
            link = self._links.find(wanted)
            if link is None:
                raise NetworkUnsupported(f"network '{name}': this host has no link '{wanted}'")
            if wanted == plan.joined and link.kind != "bridge":
                what = f"a link of kind '{link.kind or 'device'}'"
                raise NetworkUnsupported(f"network '{name}': '{wanted}' is {what}, expected a bridge")
        for pf in forward.pfs if forward else ():
            if not virtual_functions(pf.dev or ""):
                raise NetworkInternal(f"No usable Vf's present on SRIOV PF {pf.dev}")
        for device in forward.addresses if forward else ():
            if not (PCI / str(device) / "physfn").exists():
                text = f"device '{PCI / str(device)}' in network '{name}' is not an SR-IOV Virtual Function"
                raise NetworkUnsupported(text)

    def _check_free(self, plan: Plan) -> None:
        assert plan.bridge is not None
        name = plan.bridge.name
        taps.check_name(name)
        links = self._links.names()
        if name in links.values():
            with told(f"error creating bridge interface {name}"):
                raise OSError(errno.EEXIST, "File exists")
        check_subnets(plan.network, self._used(plan, links))

    def _used(self, plan: Plan, links: Mapping[int, str]) -> Iterator[tuple[str, Subnet]]:
        """Subnets of the host that are the network's own, and those in which an address of its would be."""
        wanted = [each.network for each in plan.addresses]
        for index, address in self._links.addresses():
            if any(address.version == each.version and address.ip in each for each in wanted):
                yield links.get(index, f"link {index}"), address.network
        for index, subnet in self._links.routes():
            if subnet in wanted:
                yield links.get(index, f"link {index}"), subnet

    @contextmanager
    def ensuring(self, plan: Plan, *, new: bool) -> Iterator[None]:
        """Raises NetworkSystemError, NetworkInternal for what nft refuses.

        Rules name their link, which need not be there yet: nft works on them beside all else.
        """
        self._may()
        with self._applying(plan, new=new):
            if plan.bridge is not None:
                self._ensure_bridge(plan, new=new)
            for version in plan.forwards:
                sysctl.forward(version)
            if plan.police is not None:
                nftables.apply(self._policing(plan.joined, plan.police), self._may)
            yield

    @contextmanager
    def _applying(self, plan: Plan, *, new: bool) -> Iterator[None]:
        """The network's own rules. To replace a table costs more than all else: a new one is tried first."""
        if not new or not plan.firewall:
            with self._applied(_replacing(plan)):
                yield
            return
        done = False
        try:
            with self._applied(f"create table {' '.join(plan.tables[0])}\n{plan.firewall}"):
                yield
                done = True
        except NetworkInternal:
            if not done:
                raise
            nftables.apply(_replacing(plan), self._may)

    def _applied(self, rules: str) -> AbstractContextManager[None]:
        """Beside what is done meanwhile; nothing for no rules."""
        return nftables.applying(rules, self._may) if rules else nullcontext()

    def rule(self, plans: Iterable[Plan]) -> None:
        """Raises NetworkInternal. nft needs as long for many tables as for one."""
        self._may()
        with self._applied("".join(_replacing(plan) for plan in plans)):
            return

    def _ensure_bridge(self, plan: Plan, *, new: bool) -> None:
        wish = plan.bridge
        assert wish is not None
        self._may()  # nft may have taken long to come
        found = None if new else self._links.find(wish.name)
        index = self._links.make_bridge(wish) if found is None else found.index
        sysctl.ipv6(wish.name, enabled=plan.ipv6)
        for address in plan.addresses:
            self._links.add_address(index, address)
        if found is None or not found.up:
            self._links.set(index, state="up")
        for way in plan.routes:
            self._links.add_route(index, way.subnet, way.gateway, way.metric)
        if plan.shape is not None:
            self._links.shape(index, plan.shape)

    def _policing(self, link: str, police: tuple[int, int]) -> str:
        return policing.ruleset(policing_table(self._hash8, link), link, *police)

    def remove(self, record: Record) -> None:
        """Raises NetworkSystemError, NetworkInternal. Others' changes to the bridge go with it."""
        self._may()
        with self._applied("".join(map(_gone, record.tables))):
            if record.mac:
                link = self._links.find(record.bridge)
                if link is not None and is_ours(link, record.mac):
                    self._may()  # else it may be the next one's
                    self._links.remove(link.index)

    # Ports.

    def plug(self, plan: PortPlan) -> tuple[PortRow, list[int]]:
        """Raises NetworkSystemError, NetworkUnsupported; then there is no tap."""
        if plan.row.type == "dgram":
            raise NetworkUnsupported(f"interface {plan.row.mac}: its network is one of sockets, not a bridge")
        self._may()
        row = self._with_mtu(plan.row)
        taps.check_name(row.tap)
        with ExitStack() as undo:
            if row.type == "direct":
                row = self._make_macvtap(row, undo)
                descriptors = taps.open_macvtap(row.index, row.queues, vnet_hdr=row.vnet_hdr)
            else:
                self._check_made(row)
                descriptors = taps.open_tap(row.tap, row.queues, vnet_hdr=row.vnet_hdr, new=row.made)
                row = _with(row, index=self._links.index(row.tap))
            undo.callback(close_all, descriptors)
            plan = _planned(plan, row)
            self._set_up(plan, new=True)
            undo.pop_all()
        return plan.row, descriptors

    def _check_made(self, row: PortRow) -> None:
        """A tap that is not made here is there. Raises NetworkInternal."""
        if not row.made and self._links.find(row.tap) is None:
            text = f"target managed='no' but specified dev doesn't exist: interface {row.mac}"
            raise NetworkInternal(f"{text}; expected a tap '{row.tap}' on this host")

    def _with_mtu(self, row: PortRow) -> PortRow:
        """Of the bridge, or of the link below, where nothing else is said. Raises NetworkUnsupported."""
        below = row.bridge or row.link
        link = self._links.find(below) if below else None
        if below and link is None:
            raise NetworkUnsupported(f"interface {row.mac}: this host has no link '{below}'")
        if row.bridge and link is not None and link.kind != "bridge":
            what = f"'{below}' is a link of kind '{link.kind or 'device'}'"
            raise NetworkUnsupported(f"interface {row.mac}: {what}, expected a bridge")
        return row if row.mtu or link is None else _with(row, mtu=link.mtu)

    def _make_macvtap(self, row: PortRow, undo: ExitStack) -> PortRow:
        index = self._links.make_macvtap(row.tap, row.link, row.mode, row.mac, row.mtu)
        undo.callback(self._links.remove, index)
        if row.mode == "passthrough":  # the link below gets it; the kernel gives that its own back
            self._links.set(index, address=row.mac)
        return _with(row, index=index)

    def ensure_port(self, plan: PortPlan) -> None:
        """Raises NetworkSystemError, NetworkInternal."""
        self._may()
        self._set_up(plan, new=False)

    def _set_up(self, plan: PortPlan, *, new: bool) -> None:
        row = plan.row
        if row.mtu and row.type != "direct":
            self._links.set(row.index, mtu=row.mtu)
        if row.type != "direct":
            self._links.set(row.index, address=outside(row.mac))
        if row.bridge:
            self._join(plan)
        self._links.set(row.index, state="up" if row.link_up else "down")
        self._limit_port(plan, new=new)

    def _join(self, plan: PortPlan) -> None:
        row = plan.row
        self._links.join(row.index, self._links.index(row.bridge))
        if plan.vlans:
            self._links.filter_vlans(row.bridge)
            self._links.vlan(row.index, plan.vlans)
        self._links.port(row.index, isolated=int(row.isolated))
        if row.known:
            self._links.port(row.index, learning=0, unicast_flood=0)
            self._links.know(row.index, row.mac)

    def _limit_port(self, plan: PortPlan, *, new: bool) -> None:
        """Its bandwidth and filter; ``new``: it has none yet."""
        row, rules = plan.row, ""
        if plan.shape is not None or not new:
            self._links.shape(row.index, plan.shape)
        if plan.police is not None:
            rules += self._policing(row.tap, plan.police)
        elif not new:
            rules += _gone(self._police_table(row))
        if plan.filter is not None and (plan.filter or not new):
            rules += plan.filter or _gone(self._filter_table(row))
        with self._applied(rules):
            return

    def _police_table(self, row: PortRow) -> tuple[str, str]:
        return "netdev", policing_table(self._hash8, row.tap)

    def _filter_table(self, row: PortRow) -> tuple[str, str]:
        return "bridge", filter_table(self._hash8, row.tap)

    def _tables_of(self, row: PortRow) -> list[tuple[str, str]]:
        """What a port has in nftables: family and name."""
        limits = [self._police_table(row)] if "outbound" in row.bandwidth else []
        return limits + ([self._filter_table(row)] if row.filterref else [])

    def unplug(self, row: PortRow, *, keep_tap: bool = False) -> None:
        """Raises NetworkSystemError, NetworkInternal."""
        self._may()
        link = self._links.find(row.tap)
        if not keep_tap and link is not None and _is_port(link, row):
            if row.made:
                self._links.remove(link.index)
            elif row.bridge:
                self._links.set(link.index, master=0)
        with self._applied("".join(map(_gone, self._tables_of(row)))):
            return

    def filtered(self) -> set[str]:
        """Names of taps whose filter is there. Raises NetworkInternal."""
        prefix = filter_table(self._hash8, "")
        return {name.removeprefix(prefix) for _, name in nftables.tables() if name.startswith(prefix)}

    def taken(self, name: str) -> bool:
        """Whether there is a link of that name."""
        return self._links.exists(name)

    def gone(self, row: PortRow) -> bool:
        """By index: another link may have its name."""
        link = self._links.find(row.tap)
        return link is None or link.index != row.index

    def abandoned(self, rows: Iterable[PortRow]) -> list[PortRow]:
        """A macvtap does not go with its last descriptor, as a tap does."""
        direct = [row for row in rows if row.type == "direct" and row.tap]
        held = taps.held() if direct else set()
        return [row for row in direct if str(taps.macvtap(row.index)) not in held]


def _is_port(link: Link, row: PortRow) -> bool:
    """Whether a link is the port's; one that nobody lived to record is known by what it is."""
    half_made = not row.index and link.kind == "macvtap" and link.mac.lower() == row.mac.lower()
    return link.index == row.index or half_made


def is_ours(link: Link, mac: str) -> bool:
    """Whether a link is the bridge that was made with that address."""
    return link.kind == "bridge" and link.mac.lower() == mac.lower()


def _gone(table: tuple[str, str]) -> str:
    family, name = table
    return f"add table {family} {name}\ndelete table {family} {name}\n"


def _replacing(plan: Plan) -> str:
    return _gone(plan.tables[0]) + plan.firewall if plan.firewall else ""


def outside(mac: str) -> str:
    """The tap's own address for a guest with ``mac``: high, so that the bridge never takes it for its own."""
    return f"fe:{mac[3:]}"


def virtual_functions(device: str) -> int:
    """How many an SR-IOV card has; 0 for a link that is none, or is not there."""
    try:
        return int(Path(f"/sys/class/net/{device}/device/sriov_numvfs").read_text())
    except (OSError, ValueError):
        return 0


def _with(row: PortRow, **what: Any) -> PortRow:
    return msgspec.structs.replace(row, **what)


def _planned(plan: PortPlan, row: PortRow) -> PortPlan:
    return dataclasses.replace(plan, row=row)

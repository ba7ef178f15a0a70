"""The host's side of a network card, by the card's type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.interface_network import PortForward
from embervirt.drivers.qemu.model.interface_source import InterfaceSource, LocalEnd
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.context import Net
from embervirt.drivers.qemu.parts.part import Chardev, Netdev, Part
from embervirt.errors import ConfigUnsupported

NO_RUN = Net(fds=("-1",))


def host_id(interface: Interface) -> str:
    """The user's alias keeps its own host side apart."""
    return f"host{interface.id}"


def netdev(interface: Interface, build: Build) -> Iterator[Part]:
    """Raises ConfigUnsupported for a type that QEMU has nothing for."""
    make = KINDS.get(interface.type)
    if make is None:
        raise ConfigUnsupported(f"network interface type '{interface.type}' is not supported by QEMU")
    if interface.type == "vhostuser":
        yield _vhost_chardev(interface)
    kind, props = make(interface, build)
    yield Netdev(kind, host_id(interface), props)


Made = tuple[str, dict[str, Any]]


def _tap(interface: Interface, build: Build) -> Made:
    """A tap whose descriptors QEMU gets: one a queue."""
    net = build.run.nets.get(interface.id)
    if net is None:
        net = Net(fds=NO_RUN.fds * interface.queues)
    if net.remote:
        ends = {"local": net.local, "remote": net.remote}
        return "dgram", {name: {"type": "unix", "path": path} for name, path in ends.items()}
    vhost = {"vhost": True, **_fds("vhostfd", net.vhost_fds)} if net.vhost_fds else {}
    room = interface.tune.sndbuf if interface.tune else None
    return "tap", {**_fds("fd", net.fds), **vhost, **({} if room is None else {"sndbuf": room})}


def _fds(name: str, fds: tuple[str, ...]) -> dict[str, str]:
    return {name: fds[0]} if len(fds) == 1 else {f"{name}s": ":".join(fds)}


def _user(interface: Interface, build: Build) -> Made:
    """The guest's network behind QEMU's router, or a passt."""
    if interface.is_passt:
        return _passt(interface, build)
    props: dict[str, Any] = {}
    for ip in interface.ips:
        if ip_address(ip.address).version == 4:
            props["net"] = ip.address if ip.prefix is None else f"{ip.address}/{ip.prefix}"
        else:
            props["ipv6-prefix"] = ip.address
            props |= {} if ip.prefix is None else {"ipv6-prefixlen": ip.prefix}
    rules = [{"str": rule} for rule in rules_of(interface)]
    return "user", {**props, **({"hostfwd": rules} if rules else {})}


def _passt(interface: Interface, build: Build) -> Made:
    """Its end of a socket pair; without a run the path that libvirt shows."""
    net = build.run.nets.get(interface.id) or Net()
    if net.fds:
        return "stream", {"addr": {"type": "fd", "str": net.fds[0]}, "server": False}
    shown = f"{build.run.passt_dir}/{build.run.domain_id}-{build.domain.name}-{interface.id}.socket"
    path = net.socket or shown
    return "stream", {"addr": {"type": "unix", "path": path}, "server": False}


def rules_of(interface: Interface) -> list[str]:
    """A rule of QEMU's for each port that is forwarded: ``tcp:127.0.0.1:2222-:22``."""
    rules = [rule for forward in interface.forwards for rule in _rules(forward)]
    return list(dict.fromkeys(rules))


def _rules(forward: PortForward) -> Iterator[str]:
    excluded = {port for each in forward.ranges if each.exclude for port in _ports(each.start, each.end)}
    for each in forward.ranges:
        shift = (each.to or each.start) - each.start
        for port in () if each.exclude else _ports(each.start, each.end):
            if port not in excluded:
                yield f"{forward.proto}:{forward.address or ''}:{port}-:{port + shift}"


def _ports(start: int, end: int | None) -> range:
    return range(start, (start if end is None else end) + 1)


def _end(source: InterfaceSource | LocalEnd | None) -> str:
    return f"{source.address or ''}:{source.port}" if source is not None else ""


def _udp(interface: Interface, _: Build) -> Made:
    source = interface.source
    return "socket", {"udp": _end(source), "localaddr": _end(source.local if source else None)}


def _socket(name: str) -> Callable[[Interface, Build], Made]:
    return lambda interface, _: ("socket", {name: _end(interface.source)})


def _vhost_user(interface: Interface, _: Build) -> Made:
    queues = {"queues": interface.queues} if interface.queues > 1 else {}
    return "vhost-user", {"chardev": f"char{interface.id}", **queues}


def _vhost_chardev(interface: Interface) -> Chardev:
    source = interface.source or InterfaceSource()
    server = source.mode == "server"
    props: dict[str, Any] = {"addr": {"type": "unix", "data": {"path": source.path or ""}}, "server": server}
    again = source.reconnect
    if again is not None and not server:
        props["reconnect"] = (again.timeout or 0) if again.enabled else 0
    return Chardev(f"char{interface.id}", "socket", props)


KINDS: dict[str, Callable[[Interface, Build], Made]] = {
    **dict.fromkeys(("network", "bridge", "direct", "ethernet"), _tap),
    "user": _user,
    "udp": _udp,
    "mcast": _socket("mcast"),
    "server": _socket("listen"),
    "client": _socket("connect"),
    "vhostuser": _vhost_user,
}
"""QEMU's kind of the host's side and its properties, by type."""

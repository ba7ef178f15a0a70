"""Rules of ``<forward>`` and of what goes with each mode."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkInternal, NetworkXml, NetworkXmlDetail
from embervirt.drivers.network.model import Forward, Nat, Network
from embervirt.drivers.network.validate.addresses import check_length
from embervirt.drivers.network.validate.places import Places

ROUTED = ("nat", "route", "open")
DEVICES = ("private", "vepa", "passthrough", "hostdev")
ONCE = ("/network/forward/nat", "/network/forward/nat/address", "/network/forward/nat/port")
_HERE = "/network/forward"


def check_forward(network: Network, at: Places) -> None:
    """Raises NetworkXml, NetworkXmlDetail, NetworkInternal."""
    forward = network.forward
    if forward is not None:
        _devices(network, forward, at)
        _translation(network, forward, at)
    _mode(network, at)
    _bridge(network, at)


def _devices(network: Network, forward: Forward, at: Places) -> None:
    name = network.name
    if len(forward.pfs) > 1:
        raise NetworkXml(
            f"Only one <pf> element is allowed in <forward> of network {name}: {at(_HERE + '/pf[2]')}"
        )
    interfaces, pfs = ([each.dev for each in some] for some in (forward.interfaces, forward.pfs))
    for tag, devices in (("interface", interfaces), ("pf", pfs)):
        for index, dev in enumerate(devices, 1):
            if dev is None:
                place = at(f"{_HERE}/{tag}[{index}]")
                text = (
                    f"Missing required dev attribute in <forward> <{tag}> element of network {name}: {place}"
                )
                raise NetworkXml(text)
    if forward.dev and not forward.interfaces and (forward.pfs or forward.addresses):
        text = "the <forward> 'dev' attribute cannot be used when <address> or <pf> sub-elements are present"
        raise NetworkXml(f"{text} in network {name}: {at(_HERE)}")
    first = forward.interfaces[0].dev if forward.interfaces else forward.dev
    if forward.dev != first:
        text = f"<forward dev='{forward.dev}'> must match first <interface dev='{first}'/> in network {name}"
        raise NetworkXml(f"{text}: {at(_HERE)}")
    _twice(network, forward, at)


def _twice(network: Network, forward: Forward, at: Places) -> None:
    interfaces = [f"interface '{each.dev}'" for each in forward.interfaces]
    addresses = [f"PCI device '{each}'" for each in forward.addresses]
    for tag, devices in (("interface", interfaces), ("address", addresses)):
        first: dict[str, int] = {}
        for index, each in enumerate(devices, 1):
            if each in first:
                here, there = at(f"{_HERE}/{tag}[{index}]"), at(f"{_HERE}/{tag}[{first[each]}]")
                text = f"{each} can only be listed once in network {network.name}"
                raise NetworkXml(f"{text}: {here}, and first at {there}")
            first[each] = index


def _translation(network: Network, forward: Forward, at: Places) -> None:
    if forward.nat is not None and network.mode != "nat":
        text = f"The <nat> element can only be used when <forward> 'mode' is 'nat' in network {network.name}"
        raise NetworkXml(f"{text}: {at(_HERE + '/nat')}, mode '{network.mode}'")
    for path in ONCE:
        second = at.second(path)
        if second:
            tag = path.rpartition("/")[2]
            text = f"Only one <{tag}> element is allowed in <forward> of network {network.name}"
            raise NetworkXml(f"{text}: {second} is another")
    if forward.nat is not None:
        _addresses(network, forward.nat, at)
        _ports(network, forward.nat, at)


def _addresses(network: Network, nat: Nat, at: Places) -> None:
    if nat.address is None:
        return
    place, name = at(f"{_HERE}/nat/address"), network.name
    for which, address in (("start", nat.address.start), ("end", nat.address.end)):
        if address is None:
            text = f"missing '{which}' attribute in <address> element in <nat> in <forward> in network {name}"
            raise NetworkXml(f"{text}: {place}")
        if address.version != 4:
            text = f"Bad ipv4 {which} address '{address}' in <nat> in <forward> in network '{name}'"
            raise NetworkXml(f"{text}: {place}; expected an IPv4 address")
    start, end = nat.address.start, nat.address.end
    if start is not None and end is not None:
        if int(start) > int(end):
            raise NetworkInternal(f"range {start} - {end} is reversed: {place}; expected the lower first")
        check_length(start, end, place)


def _ports(network: Network, nat: Nat, at: Places) -> None:
    if nat.port is None:
        return
    start, end = nat.port.start, nat.port.end
    wrong = "start" if start is None else "end" if end is None or end < start else None
    if wrong:
        text = f"Missing or invalid '{wrong}' attribute in <port> in <nat> in <forward> in network"
        place = at(f"{_HERE}/nat/port")
        raise NetworkXmlDetail(
            f"{text} {network.name}: {place}; expected start and end, the lower first, up to 65535"
        )


def _mode(network: Network, at: Places) -> None:
    mode, name = network.mode, network.name
    interfaces = network.forward.interfaces if network.forward else ()
    if mode in ROUTED and not network.ips:
        text = f"{mode} forwarding requested, but no IP address provided for network '{name}'"
        raise NetworkXml(f"{text}: {at(_HERE)}; expected an <ip> element")
    if mode in ROUTED and len(interfaces) > 1:
        text = f"multiple forwarding interfaces specified for network '{name}', only one is supported"
        raise NetworkXml(f"{text}: {at(_HERE + '/interface[2]')}")
    if mode == "open" and interfaces:
        text = f"forward dev not allowed for network '{name}' with forward mode='open'"
        raise NetworkXml(f"{text}: {at(_HERE)}")
    if mode not in (*ROUTED, "none") and network.mtu:
        text = (
            f"mtu size only allowed in open, route, nat, and isolated mode, not in {mode} (network '{name}')"
        )
        raise NetworkXml(f"{text}: {at('/network/mtu')}")


def _bridge(network: Network, at: Places) -> None:
    """A bridge of the host has but a name; what forwards by devices has none."""
    bridge, mode, name = network.bridge, network.mode, network.name
    if bridge is None or network.own_bridge:
        return
    place = at("/network/bridge")
    if mode in DEVICES:
        given = (("name", bridge.name), ("zone", bridge.zone))
        for what, value in (*given, ("macTableManager setting", bridge.mac_table_manager)):
            if value:
                text = f"bridge {what} not allowed in {mode} mode (network '{name}'): {place}"
                raise NetworkXml(text)
    if bridge.name and network.forward and (network.forward.interfaces or network.forward.pfs):
        text = "can specify a bridge name or a forward dev, but not both"
        raise NetworkXml(
            f"A network with forward mode='{mode}' {text} (network '{name}'): {place}, and {at(_HERE)}"
        )
    if bridge.stp is not None or bridge.delay is not None or bridge.zone:
        text = "bridge delay/stp/zone options only allowed in route, nat, and isolated mode"
        raise NetworkXml(f"{text}, not in {mode} (network '{name}'): {place}")

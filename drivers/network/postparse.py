"""What libvirt fills into the XML of a network or port, and what it does not hear: pure functions.

Facts are what libvirt 9 gives back after define. Numbers that mean "as usual" when they are 0 are left out.
"""

from __future__ import annotations

import random
import uuid as uuids
from collections.abc import Collection
from xml.sax.saxutils import quoteattr

from lxml import etree

from embervirt.drivers.network.model import (
    DNSMASQ,
    Bandwidth,
    Bridge,
    Dhcp,
    DhcpHost,
    DhcpRange,
    Dns,
    DnsHost,
    Forward,
    ForwardInterface,
    Ip,
    Lease,
    Mac,
    Nat,
    Network,
    NetworkPort,
    PortGroup,
    Rate,
    Srv,
    VirtualPort,
    Vlan,
)
from embervirt.drivers.xml import replace


def postparse_network(network: Network) -> Network:
    """Complete but for what the driver chooses (see ``placed``); a second time changes nothing.

    What validate will refuse stays as it is.
    """
    forward = _forward(network.forward)
    mtu, domain = network.mtu, network.domain
    return replace(
        network,
        uuid=network.uuid or str(uuids.uuid4()),
        ipv6=network.ipv6 or None,
        connections=None,
        metadata=_metadata(network.metadata),
        forward=forward,
        bridge=_bridge(replace(network, forward=forward)),
        mtu=mtu if mtu and mtu.size else None,
        domain=domain if domain and domain.name is not None else None,
        dns=_dns(network.dns),
        vlan=postparse_vlan(network.vlan),
        bandwidth=postparse_bandwidth(network.bandwidth),
        port=network.port if network.port and network.port.isolated is not None else None,
        ips=tuple(_ip(each) for each in network.ips),
        virtualport=postparse_virtualport(network.virtualport),
        portgroups=tuple(postparse_portgroup(each) for each in network.portgroups),
        foreign=_foreign(network),
    )


def placed(network: Network, bridge: str, macs: Collection[str] = ()) -> Network:
    """With the name of its bridge when it has none, and a MAC address that is not among ``macs``.

    A network that uses a bridge of the host, or none, stays as it is.
    """
    if not network.own_bridge:
        return network
    given = network.bridge or Bridge(stp=True, delay=0)
    named = given if given.name and "%d" not in given.name else replace(given, name=bridge)
    return replace(network, bridge=named, mac=network.mac or Mac(address=new_mac(macs)))


def new_mac(taken: Collection[str]) -> str:
    """A random MAC address in 52:54:00, QEMU's range, that is not among ``taken``."""
    while True:
        number = random.getrandbits(24)
        mac = f"52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        if mac not in taken:
            return mac


def postparse_port(port: NetworkPort) -> NetworkPort:
    """Complete; a second time changes nothing."""
    isolated = port.port is not None and port.port.isolated is not None
    trusts = port.rxfilters is not None and port.rxfilters.trust_guest is not None
    return replace(
        port,
        virtualport=postparse_virtualport(port.virtualport),
        bandwidth=postparse_bandwidth(port.bandwidth, classed=True),
        rxfilters=port.rxfilters if trusts else None,
        port=port.port if isolated else None,
        vlan=postparse_vlan(port.vlan),
    )


def postparse_bandwidth(bandwidth: Bandwidth | None, *, classed: bool = False) -> Bandwidth | None:
    """Without what limits nothing. ``classed``: it is a port's, which can have a class."""
    if bandwidth is None:
        return None
    inbound, outbound = _rate(bandwidth.inbound), _rate(bandwidth.outbound)
    class_id = (bandwidth.class_id or None) if classed else bandwidth.class_id
    if inbound is None and outbound is None and (classed or class_id is None):
        return None
    return Bandwidth(class_id=class_id, inbound=inbound, outbound=outbound)


def _rate(rate: Rate | None) -> Rate | None:
    if rate is None or (rate.average == 0 and not rate.floor):
        return None
    return replace(rate, peak=rate.peak or None, burst=rate.burst or None, floor=rate.floor or None)


def postparse_vlan(vlan: Vlan | None) -> Vlan | None:
    """Several tags, or one of the native VLAN, are a trunk."""
    if vlan is None:
        return None
    if len(vlan.tags) > 1:
        return replace(vlan, trunk=True) if vlan.trunk is None else vlan
    native = any(tag.native_mode for tag in vlan.tags)
    return vlan if vlan.trunk or native else replace(vlan, trunk=None)


def postparse_virtualport(port: VirtualPort | None, *, typed: bool = True) -> VirtualPort | None:
    """Without parameters that say nothing; one that need not be ``typed`` may say nothing at all."""
    if port is not None and port.parameters is not None:
        given = replace(port.parameters, profileid=port.parameters.profileid or None)
        says = any(getattr(given, name) is not None for name in given.__schema__.names)
        port = replace(port, parameters=given if says else None)
    return port if typed or port != VirtualPort() else None


def postparse_portgroup(group: PortGroup) -> PortGroup:
    """Complete."""
    return replace(
        group,
        default=group.default or None,
        vlan=postparse_vlan(group.vlan),
        virtualport=postparse_virtualport(group.virtualport, typed=False),
        bandwidth=postparse_bandwidth(group.bandwidth),
    )


def _forward(forward: Forward | None) -> Forward | None:
    """``mode`` none is no forwarding; the first interface and ``dev`` say the same."""
    if forward is None or forward.mode == "none":
        return None
    dev, interfaces = forward.dev or None, tuple(_unused(each) for each in forward.interfaces)
    if dev and not (interfaces or forward.pfs or forward.addresses):
        interfaces = (ForwardInterface(dev=dev),)
    driver = forward.driver
    return replace(
        forward,
        mode=forward.mode or "nat",
        dev=interfaces[0].dev if interfaces and not dev else dev,
        managed=bool(forward.managed) if forward.mode == "hostdev" else None,
        driver=driver if driver and driver.name else None,
        nat=_nat(forward.nat) if forward.mode in (None, "nat") else forward.nat,
        interfaces=interfaces,
        pfs=tuple(replace(each, connections=None) for each in forward.pfs),
        addresses=tuple(replace(each, connections=None) for each in forward.addresses),
    )


def _unused(interface: ForwardInterface) -> ForwardInterface:
    return replace(interface, connections=None)


def _nat(nat: Nat | None) -> Nat | None:
    if nat is None:
        return None
    port = nat.port
    if port is not None and port.start == port.end == 0:
        port = None
    return replace(nat, port=port) if nat.ipv6 is not None or nat.address or port else None


def _bridge(network: Network) -> Bridge | None:
    """One that is made here has a spanning tree and no delay unless something else is said."""
    given = network.bridge or Bridge()
    given = replace(given, name=given.name or None, zone=given.zone or None)
    if not network.own_bridge:
        return None if given == Bridge(name=None, zone=None) else given
    return replace(
        given, stp=True if given.stp is None else given.stp, delay=0 if given.delay is None else given.delay
    )


def _dns(dns: Dns | None) -> Dns | None:
    if dns is None:
        return None
    srvs, hosts = tuple(map(postparse_srv, dns.srvs)), tuple(map(postparse_dns_host, dns.hosts))
    complete = replace(dns, srvs=srvs, hosts=hosts)
    says = (dns.enable, dns.forward_plain_names) != (None, None)
    return complete if says or dns.forwarders or dns.txts or dns.srvs or dns.hosts else None


def postparse_dns_host(host: DnsHost) -> DnsHost:
    """Without names that are empty."""
    return replace(host, hostnames=tuple(each for each in host.hostnames if each.name))


def postparse_srv(srv: Srv) -> Srv:
    """Without what is 0 anyhow; without a target it stays, to be refused."""
    if srv.target is None:
        return srv
    return replace(srv, priority=srv.priority or None, weight=srv.weight or None)


def _ip(ip: Ip) -> Ip:
    return replace(
        ip,
        prefix=ip.prefix or None,
        tftp=ip.tftp if ip.tftp and ip.tftp.root else None,
        dhcp=_dhcp(ip.dhcp),
    )


def _dhcp(dhcp: Dhcp | None) -> Dhcp | None:
    """libvirt forgets a ``<bootp>`` without ranges and hosts; it stays here. A server needs a file."""
    if dhcp is None:
        return None
    bootp = dhcp.bootp if dhcp.bootp and dhcp.bootp.file else None
    complete = replace(
        dhcp,
        ranges=tuple(postparse_range(each) for each in dhcp.ranges),
        hosts=tuple(postparse_host(each) for each in dhcp.hosts),
        bootp=bootp,
    )
    return complete if dhcp.ranges or dhcp.hosts or bootp else None


def postparse_range(range_: DhcpRange) -> DhcpRange:
    """With the unit of its lease."""
    return replace(range_, lease=_lease(range_.lease))


def postparse_host(host: DhcpHost) -> DhcpHost:
    """With the unit of its lease."""
    return replace(host, lease=_lease(host.lease))


def _lease(lease: Lease | None) -> Lease | None:
    if lease is None or lease.expiry is None:
        return None
    return replace(lease, unit=(lease.unit or "minutes") if lease.expiry else None)


def _metadata(text: str | None) -> str | None:
    """One element for each namespace, as libvirt has it; what is so already stays verbatim."""
    if text is None:
        return None
    root = etree.fromstring(text)
    seen: set[str] = set()
    stray = []
    for each in root.iterchildren(etree.Element):
        namespace = etree.QName(each).namespace
        (stray.append(each) if not namespace or namespace in seen else seen.add(namespace))
    for each in stray:
        root.remove(each)
    return etree.tostring(root, encoding="unicode") if stray else text


def _foreign(network: Network) -> tuple[str, ...]:
    """Options of dnsmasq in libvirt's look; elements of other namespaces are nobody's."""
    mine = tuple(xml for xml in network.foreign if etree.fromstring(xml).tag == f"{{{DNSMASQ}}}options")[:1]
    given = replace(network, foreign=mine)
    options = given.options
    if not options or given.valueless_options:
        return mine if options else ()
    lines = "".join(f"\n    <dnsmasq:option value={_quoted(value)}/>" for value in options)
    return (f"<dnsmasq:options xmlns:dnsmasq={quoteattr(DNSMASQ)}>{lines}\n  </dnsmasq:options>",)


def _quoted(value: str) -> str:
    return quoteattr(value, {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})

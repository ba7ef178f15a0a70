"""A network as dnsmasq's configuration, its file of DHCP hosts and its file of names.

Source: dnsmasq(8), and the lines that libvirt 9 writes for the same network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.network.model import Address, Dhcp, Dns, IpCodec, Lease, Network, Srv, Subnet
from embervirt.drivers.network.model import Ip as IpElement

HEADER = "# Made from the definition of the network; a change here is lost when the network starts.\n"
_UNITS = {"seconds": "s", "minutes": "m", "hours": "h", None: "m"}
_text = IpCodec().encode
_ISOLATED = ("dhcp-option=3", "no-resolv", "ra-param=*,0,0")
"""No default gateway by DHCP, nobody to ask for names, and no router by IPv6."""


def needed(network: Network) -> bool:
    """Whether the network has a dnsmasq: it has an address, and gives names or addresses."""
    return bool(network.ips) and (_has_dns(network) or any(map(_serves, network.ips)))


def configuration(network: Network, hosts_file: Path | str, names_file: Path | str) -> str:
    """dnsmasq.conf of a validated network with a bridge.

    ``hosts_file`` and ``names_file`` will have what ``hosts`` and ``names`` give; dnsmasq reads both again
    at SIGHUP. Leases and the log are said on the command line. Raises NetworkUnsupported for a subnet whose
    names cannot be turned around (localPtr), and for a line break in a value.
    """
    lines = [*_dns(network), *_records(network), *_tftp(network), *_dhcp(network)]
    if any(map(_serves, network.ips)):
        lines.append(f"dhcp-hostsfile={hosts_file}")
    if _has_dns(network):
        lines.append(f"addn-hosts={names_file}")
    lines += [*_mtu(network), *_advertised(network), *network.options]
    return HEADER + _text_of(lines)


def hosts(network: Network) -> str:
    """The file of DHCP hosts: who gets which address."""
    return _text_of(line for ip in network.ips if ip.dhcp for line in _hosts_of(ip, ip.dhcp))


def names(network: Network) -> str:
    """The file of names, as hosts(5)."""
    given = network.dns.hosts if network.dns else ()
    return _text_of("\t".join((_text(host.ip), *host.names)) for host in given if host.ip)


def reverse_zone(subnet: Subnet) -> str:
    """``122.168.192.in-addr.arpa``: the DNS zone of a subnet's addresses. Raises NetworkUnsupported."""
    step, most = (8, 24) if subnet.version == 4 else (4, 124)
    length = subnet.prefixlen
    if length % step or not 0 < length <= most:
        text = (
            f"PTR domain for IPv{subnet.version} network with prefix {length} cannot be automatically created"
        )
        raise NetworkUnsupported(f"{text}; a prefix of {step} to {most} that {step} divides can")
    pointer = subnet.network_address.reverse_pointer.split(".")
    return ".".join(pointer[(subnet.max_prefixlen - length) // step :])


def _text_of(lines: Iterable[str]) -> str:
    """Raises NetworkUnsupported for a value that would be a line of its own."""
    found = list(lines)
    for line in found:
        if "\n" in line:
            raise NetworkUnsupported(f"{line!r}: dnsmasq takes no value with a line break in it")
    return "".join(f"{line}\n" for line in found)


def _has_dns(network: Network) -> bool:
    return network.dns is None or network.dns.enable is not False


def _serves(ip: IpElement) -> bool:
    """Whether addresses are given away on it."""
    return bool(ip.dhcp and (ip.dhcp.ranges or ip.dhcp.hosts))


def _dns(network: Network) -> Iterator[str]:
    dns, domain, serves = network.dns or Dns(), network.domain, _has_dns(network)
    yield "strict-order"
    if not serves:
        yield "port=0"
    yield from _forwarders(dns)
    if domain and domain.name and domain.local_only:
        yield f"local=/{domain.name}/"
    if serves:
        yield from (f"local=/{reverse_zone(ip.subnet)}/" for ip in network.ips if ip.local_ptr)
    if domain and domain.name:
        yield f"domain={domain.name}"
        yield "expand-hosts"
    if serves and dns.forward_plain_names is False:
        yield "domain-needed"
        yield "local=//"
    yield from ("except-interface=lo", "bind-dynamic", f"interface={network.bridge_name}")
    if network.mode == "none":
        yield from _ISOLATED


def _forwarders(dns: Dns) -> Iterator[str]:
    for each in dns.forwarders:
        domain = f"/{each.domain}/" if each.domain else ""
        yield f"server={domain}{_text(each.addr) if each.addr else '#'}"
    if any(not each.domain for each in dns.forwarders):
        yield "no-resolv"


def _records(network: Network) -> Iterator[str]:
    dns = network.dns or Dns()
    yield from (f"txt-record={txt.name},{txt.value}" for txt in dns.txts)
    yield from map(_service, dns.srvs)


def _service(srv: Srv) -> str:
    """Target, port, priority and weight: what stands before one that is given is given too."""
    domain = f".{srv.domain}" if srv.domain else ""
    words = [f"srv-host=_{srv.service}._{srv.protocol}{domain}"]
    if srv.target and srv.target != ".":
        given = (srv.port or 0, srv.priority or 0, srv.weight or 0)
        last = max((at + 1 for at, value in enumerate(given) if value), default=0)
        numbers = (value or default for value, default in zip(given, (1, 0, 0), strict=True))
        words += [srv.target, *map(str, numbers)][: 1 + last]
    return ",".join(words)


def _tftp(network: Network) -> Iterator[str]:
    for root in (ip.tftp.root for ip in network.ips if ip.tftp):
        if root:
            yield from ("enable-tftp", f"tftp-root={root}")


def _dhcp(network: Network) -> Iterator[str]:
    sizes = 0
    for ip in network.ips:
        if ip.dhcp and _serves(ip):
            yield from _ranges(ip, ip.dhcp)
            sizes += sum(
                int(each.end) - int(each.start) + 1 for each in ip.dhcp.ranges if each.start and each.end
            )
    if sizes:
        yield f"dhcp-lease-max={sizes}"


def _ranges(ip: IpElement, dhcp: Dhcp) -> Iterator[str]:
    subnet = ip.subnet
    mask = str(subnet.netmask) if ip.version == 4 else str(subnet.prefixlen)
    for each in dhcp.ranges:
        yield f"dhcp-range={_some(each.start)},{_some(each.end)},{mask}{_lease(each.lease)}"
    if not dhcp.ranges:
        yield f"dhcp-range={_some(ip.address)},static" + ("" if ip.version == 4 else f",{mask}")
    if ip.version == 4:
        yield from ("dhcp-no-override", "dhcp-authoritative")
        if dhcp.bootp and dhcp.bootp.file:
            yield f"dhcp-boot={dhcp.bootp.file}" + (f",,{dhcp.bootp.server}" if dhcp.bootp.server else "")


def _some(address: Address | None) -> str:
    return _text(address) if address else ""


def _lease(lease: Lease | None) -> str:
    if lease is None:
        return ""
    return f",{lease.expiry}{_UNITS[lease.unit]}" if lease.expiry else ",infinite"


def _hosts_of(ip: IpElement, dhcp: Dhcp) -> Iterator[str]:
    """IPv4 by MAC address: who, address, name; IPv6 by DUID: who, name, address."""
    for host in dhcp.hosts:
        if ip.version == 4:
            words = [host.mac, _some(host.ip), host.name] if host.mac else [host.name, _some(host.ip)]
        else:
            words = [f"id:{host.id}" if host.id else None, host.name, f"[{_some(host.ip)}]"]
        yield ",".join(word for word in words if word) + _lease(host.lease)


def _mtu(network: Network) -> Iterator[str]:
    if network.mtu and network.mtu.size:
        yield f"dhcp-option=option:mtu,{network.mtu.size}"


def _advertised(network: Network) -> Iterator[str]:
    """Routers of IPv6: all by dnsmasq's own choice when it gives addresses, else without them."""
    six = [ip for ip in network.ips if ip.version == 6]
    if any(map(_serves, six)):
        yield "enable-ra"
    else:
        yield from (f"dhcp-range={_some(ip.address)},ra-only" for ip in six)

"""Records of ``<dns>``: names of hosts, TXT and SRV."""

from __future__ import annotations

from typing import TypeVar

from embervirt.drivers.network.errors import NetworkInvalid
from embervirt.drivers.network.model import Dns, DnsHost, Network, Srv, Txt
from embervirt.drivers.network.postparse import postparse_dns_host, postparse_srv
from embervirt.drivers.network.updating.commands import DELETE, added, check_command, only_whole, without
from embervirt.drivers.network.validate import Places
from embervirt.drivers.network.validate.dns import check_dns_host, check_srv, check_txt
from embervirt.drivers.xml import parse, replace

T = TypeVar("T")


def change_dns_host(network: Network, command: int, parent: int, xml: str) -> Network:
    """``<host>`` of ``<dns>``: deleted by an address or any name. Raises NetworkInvalid, XmlError."""
    only_whole(command, "DNS HOST records")
    check_command(command)
    host, dns = postparse_dns_host(parse(DnsHost, xml)), network.dns or Dns()
    check_dns_host(network, host, Places(xml)("/host"), partial=command == DELETE)
    same = [each for each in dns.hosts if host.ip is not None and each.ip == host.ip]
    if command != DELETE:
        if same:
            text = "there is already at least one DNS HOST record with a matching field"
            raise NetworkInvalid(f"{text} in network {network.name}: {host.ip} is {', '.join(same[0].names)}")
        return replace(network, dns=replace(dns, hosts=added(dns.hosts, host, command)))
    found = [each for each in dns.hosts if each in same or set(each.names) & set(host.names)]
    gone = _only(network, found, "DNS HOST record", "multiple matching DNS HOST records")
    return replace(network, dns=replace(dns, hosts=without(dns.hosts, gone)))


def change_txt(network: Network, command: int, parent: int, xml: str) -> Network:
    """``<txt>``: deleted by its name. Raises NetworkInvalid, XmlError."""
    only_whole(command, "DNS TXT records")
    check_command(command)
    txt, dns = parse(Txt, xml), network.dns or Dns()
    check_txt(network, txt, Places(xml)("/txt"), partial=command == DELETE)
    same = [each for each in dns.txts if each.name == txt.name]
    if command == DELETE:
        gone = _only(network, same[:1], "DNS TXT record", "")
        return replace(network, dns=replace(dns, txts=without(dns.txts, gone)))
    if same:
        text = f"there is already a DNS TXT record with name '{txt.name}' in network {network.name}"
        raise NetworkInvalid(f"{text}: its value is '{same[0].value}'")
    return replace(network, dns=replace(dns, txts=added(dns.txts, txt, command)))


def change_srv(network: Network, command: int, parent: int, xml: str) -> Network:
    """``<srv>``: the same by service, protocol, domain and target, those that are given.

    Raises NetworkInvalid, XmlError.
    """
    only_whole(command, "DNS SRV records")
    check_command(command)
    srv, dns = postparse_srv(parse(Srv, xml)), network.dns or Dns()
    check_srv(network, srv, Places(xml)("/srv"), partial=command == DELETE)
    same = [each for each in dns.srvs if _matches(srv, each)]
    if command == DELETE:
        gone = _only(
            network, same, "DNS SRV record", "multiple DNS SRV records matching all specified fields"
        )
        return replace(network, dns=replace(dns, srvs=without(dns.srvs, gone)))
    if same:
        text = "there is already at least one DNS SRV record matching all specified fields"
        raise NetworkInvalid(f"{text} in network {network.name}: service '{srv.service}'")
    return replace(network, dns=replace(dns, srvs=added(dns.srvs, srv, command)))


def _matches(wanted: Srv, srv: Srv) -> bool:
    fields = ("service", "protocol", "domain", "target")
    return all(getattr(wanted, name) in (None, getattr(srv, name)) for name in fields)


def _only(network: Network, found: list[T], what: str, many: str) -> T:
    if not found:
        raise NetworkInvalid(f"couldn't locate a matching {what} in network {network.name}")
    if len(found) > 1:
        raise NetworkInvalid(f"{many} were found in network {network.name}; expected one")
    return found[0]

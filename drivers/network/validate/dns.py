"""Rules of ``<dns>``."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkXml, NetworkXmlDetail
from embervirt.drivers.network.model import DnsHost, Network, Srv, Txt
from embervirt.drivers.network.validate.places import Place, Places


def check_dns(network: Network, at: Places) -> None:
    """Raises NetworkXml, NetworkXmlDetail."""
    dns = network.dns
    if dns is None:
        return
    if dns.enable is False and (dns.forwarders or dns.txts or dns.srvs or dns.hosts):
        text = f"Extra data in disabled network '{network.name}': {at('/network/dns')}"
        raise NetworkXml(f"{text}; expected nothing in <dns enable='no'/>")
    for index, each in enumerate(dns.forwarders, 1):
        if each.addr is None and each.domain is None:
            text = "Invalid forwarder element, must contain at least one of addr or domain"
            raise NetworkXml(f"{text}: {at(f'/network/dns/forwarder[{index}]')}")
    for index, txt in enumerate(dns.txts, 1):
        check_txt(network, txt, at(f"/network/dns/txt[{index}]"))
    for index, srv in enumerate(dns.srvs, 1):
        check_srv(network, srv, at(f"/network/dns/srv[{index}]"))
    for index, host in enumerate(dns.hosts, 1):
        check_dns_host(network, host, at(f"/network/dns/host[{index}]"))


def check_txt(network: Network, txt: Txt, place: Place, *, partial: bool = False) -> None:
    """``partial``: only to find one, by its name. Raises NetworkXmlDetail."""
    if txt.name is None:
        text = f"missing required name attribute in DNS TXT record of network {network.name}"
        raise NetworkXmlDetail(f"{text}: {place}")
    if " " in txt.name or "," in txt.name:
        text = f"prohibited character in DNS TXT record name '{txt.name}' of network {network.name}"
        raise NetworkXmlDetail(f"{text}: {place}; expected neither blank nor comma")
    if txt.value is None and not partial:
        text = f"missing required value attribute in DNS TXT record named '{txt.name}'"
        raise NetworkXmlDetail(f"{text} of network {network.name}: {place}")


def check_srv(network: Network, srv: Srv, place: Place, *, partial: bool = False) -> None:
    """``partial``: only to find one, by any of it. Raises NetworkXmlDetail."""
    if srv.service is None and not partial:
        text = f"missing required service attribute in DNS SRV record of network '{network.name}'"
        raise NetworkXmlDetail(f"{text}: {place}")
    if srv.protocol is None and not partial:
        text = f"missing required protocol attribute in DNS SRV record '{srv.service}'"
        raise NetworkXmlDetail(f"{text} of network '{network.name}': {place}")
    given = (("port", srv.port), ("priority", srv.priority), ("weight", srv.weight))
    for which, value in given:
        if value is not None and srv.target is None:
            text = f"DNS SRV {which} attribute not permitted without target for service '{srv.service}'"
            raise NetworkXmlDetail(f"{text} in network '{network.name}': {place}; expected a target")


def check_dns_host(network: Network, host: DnsHost, place: Place, *, partial: bool = False) -> None:
    """``partial``: only to find one, by its address or names. Raises NetworkXmlDetail."""
    where = f"network '{network.name}' DNS HOST record: {place}"
    if partial and host.ip is None and not host.names:
        raise NetworkXmlDetail(f"Missing ip and hostname in {where}")
    if host.ip is None and not partial:
        raise NetworkXmlDetail(f"Missing IP address in {where}")
    if not host.names and not partial:
        raise NetworkXmlDetail(f"Missing hostname in {where}; expected <hostname>...</hostname>")

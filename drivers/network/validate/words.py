"""Words that end up in dnsmasq's files, where blanks, commas and line feeds mean something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from embervirt.drivers.network.errors import NetworkXml
from embervirt.drivers.network.model import Dns, Ip, Network
from embervirt.drivers.network.validate.places import Places
from embervirt.drivers.xml import Element

_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")
_NAME = re.compile(r"[^\s,/#\"'\\]+")
_FILE = re.compile(r"[^,\"]+")
_Word = tuple[str | None, str]
"""A text and its path in the document."""


def check_words(network: Network, at: Places) -> None:
    """Raises NetworkXml for a text that would not arrive as it is."""
    for text, path in _texts(network, "/network"):
        bad = _CONTROL.search(text)
        if bad:
            what = f"character {ord(bad[0]):#x} in network '{network.name}' is not accepted"
            raise NetworkXml(f"{what}: {at(path)}; expected text without control characters")
    for pattern, words, accepted in (
        (_NAME, _names(network), "a name without blanks, quotes, ',', '/', '#' and '\\'"),
        (_FILE, _files(network), "a path without quotes and ','"),
    ):
        for word, path in words:
            if word is not None and not pattern.fullmatch(word):
                what = f"'{word}' in network '{network.name}' is not accepted"
                raise NetworkXml(f"{what}: {at(path)}; expected {accepted}")
    _absolute(network, at)


def _texts(element: Element, path: str) -> Iterator[tuple[str, str]]:
    """Every text in an element but what is kept verbatim."""
    verbatim = ("metadata", "foreign")
    for name, binding in element.__schema__.bindings.items():
        value = None if name in verbatim else getattr(element, name)
        if isinstance(value, str):
            yield (
                value,
                f"{path}/@{binding.name}" if binding.attributes else f"{path}/{binding.name}".rstrip("/"),
            )
        elif isinstance(value, Element):
            yield from _texts(value, f"{path}/{binding.name}")
        elif isinstance(value, tuple):
            for index, each in enumerate(value, 1):
                yield from _texts(each, f"{path}/{binding.name}[{index}]")
    if isinstance(element, Network):
        yield from ((value, f"{path}/*[local-name()='options']") for value in element.options)


def _names(network: Network) -> Iterator[_Word]:
    yield network.domain.name if network.domain else None, "/network/domain/@name"
    for index, ip in enumerate(network.ips, 1):
        for number, host in enumerate(ip.dhcp.hosts if ip.dhcp else (), 1):
            yield host.name, f"/network/ip[{index}]/dhcp[1]/host[{number}]/@name"
    yield from _dns_names(network.dns or Dns())


def _dns_names(dns: Dns) -> Iterator[_Word]:
    for index, each in enumerate(dns.forwarders, 1):
        yield each.domain, f"/network/dns/forwarder[{index}]/@domain"
    for index, txt in enumerate(dns.txts, 1):
        yield txt.name, f"/network/dns/txt[{index}]/@name"
    for index, srv in enumerate(dns.srvs, 1):
        for name in ("service", "protocol", "domain", "target"):
            yield getattr(srv, name), f"/network/dns/srv[{index}]/@{name}"
    for index, host in enumerate(dns.hosts, 1):
        for number, word in enumerate(host.names, 1):
            yield word, f"/network/dns/host[{index}]/hostname[{number}]"


def _files(network: Network) -> Iterator[_Word]:
    for index, ip in enumerate(network.ips, 1):
        bootp = ip.dhcp.bootp if ip.dhcp else None
        yield ip.tftp.root if ip.tftp else None, f"/network/ip[{index}]/tftp/@root"
        yield bootp.file if bootp else None, f"/network/ip[{index}]/dhcp[1]/bootp/@file"


def _absolute(network: Network, at: Places) -> None:
    ips: tuple[Ip, ...] = network.ips
    for index, ip in enumerate(ips, 1):
        if ip.tftp and ip.tftp.root and not ip.tftp.root.startswith("/"):
            text = f"tftp root '{ip.tftp.root}' of network '{network.name}' is relative"
            raise NetworkXml(f"{text}: {at(f'/network/ip[{index}]/tftp')}; expected an absolute path")

"""One change of a network by ``virNetworkUpdate``: pure, the same for its definition and for what is active.

What libvirt 9 serves is served, with its rules of what matches what; what it refuses is refused with its
codes. A section is a number of ``virNetworkUpdateSection``, a command one of ``virNetworkUpdateCommand``.
"""

from __future__ import annotations

from collections.abc import Callable

from embervirt.drivers.network.errors import VIR_FROM_NETWORK, NetworkOperationUnsupported
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.postparse import postparse_network
from embervirt.drivers.network.updating.commands import COMMANDS
from embervirt.drivers.network.updating.dhcp import change_host, change_range
from embervirt.drivers.network.updating.dns import change_dns_host, change_srv, change_txt
from embervirt.drivers.network.updating.others import change_interface, change_portgroup
from embervirt.drivers.network.validate import validate_definition, validate_network
from embervirt.errors import errors_of

__all__ = ["COMMANDS", "SECTIONS", "changed", "updated"]

SECTIONS = {
    "bridge": 1,
    "domain": 2,
    "ip": 3,
    "ip-dhcp-host": 4,
    "ip-dhcp-range": 5,
    "forward": 6,
    "forward-interface": 7,
    "forward-pf": 8,
    "portgroup": 9,
    "dns-host": 10,
    "dns-txt": 11,
    "dns-srv": 12,
}
"""``virNetworkUpdateSection`` by the words of virsh."""

_SERVED: dict[str, Callable[[Network, int, int, str], Network]] = {
    "ip-dhcp-host": change_host,
    "ip-dhcp-range": change_range,
    "forward-interface": change_interface,
    "portgroup": change_portgroup,
    "dns-host": change_dns_host,
    "dns-txt": change_txt,
    "dns-srv": change_srv,
}


def updated(network: Network, command: int, section: int, parent_index: int, xml: str) -> Network:
    """The network after it, complete and checked as a definition is.

    ``xml``: the section's element; ``parent_index``: of the ``<ip>`` that it belongs to, -1 for any.
    Raises NetworkOperationUnsupported, NetworkInvalid (nothing matches, or something does that must not),
    XmlError and its leaves, the errors of ``validate_network`` and ``validate_definition``.
    """
    after = changed(network, command, section, parent_index, xml)
    with errors_of(VIR_FROM_NETWORK):
        validate_network(after)
        validate_definition(after)
    return after


def changed(network: Network, command: int, section: int, parent_index: int, xml: str) -> Network:
    """As ``updated``, with no look at what else the network says."""
    name = next((word for word, number in SECTIONS.items() if number == section), None)
    if name is None:
        accepted = ", ".join(f"{SECTIONS[word]} ({word})" for word in _SERVED)
        text = f"can't update unrecognized section of network: {section}; expected one of: {accepted}"
        raise NetworkOperationUnsupported(text)
    change = _SERVED.get(name)
    if change is None:
        text = f"can't update '{name.replace('-', ' ')}' section of network '{network.name}'"
        raise NetworkOperationUnsupported(f"{text}; expected one of: {', '.join(_SERVED)}")
    with errors_of(VIR_FROM_NETWORK):
        return postparse_network(change(network, command, parent_index, xml))

"""Sections of a network that change, live and in its definition, and what of it is restarted for that."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from embervirt.drivers.network.messages import NetworkChanged
from guest.domain import watching
from guest.namespace import Namespace
from integration.network.conftest import network_xml

HOST = "<host mac='52:54:00:00:00:05' name='five' ip='10.7.7.5'/>"
LIVE, CONFIG, BOTH = 1, 2, 3


@pytest.fixture
def network(conn: libvirt.virConnect) -> libvirt.virNetwork:
    """Active and defined."""
    made = conn.networkDefineXML(network_xml(more="<forward mode='nat'/>"))
    made.create()
    return made


def server(namespace: Namespace) -> psutil.Process:
    """The dnsmasq of the only network."""
    (found,) = namespace.programs("dnsmasq")
    return found


def files(conn: libvirt.virConnect) -> dict[str, str]:
    """What dnsmasq reads, by the ending of the file's name."""
    return {path.suffix[1:]: path.read_text() for path in Path(conn.root.paths.dnsmasq).iterdir()}


@pytest.mark.parametrize(
    ("section", "xml", "file", "says"),
    [
        (libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, HOST, "hostsfile", "52:54:00:00:00:05,10.7.7.5,five"),
        (
            libvirt.VIR_NETWORK_SECTION_DNS_HOST,
            "<host ip='10.7.7.9'><hostname>nine</hostname></host>",
            "addnhosts",
            "10.7.7.9\tnine",
        ),
    ],
)
def test_hosts_and_names_change_without_a_restart(
    conn: libvirt.virConnect,
    namespace: Namespace,
    network: libvirt.virNetwork,
    section: int,
    xml: str,
    file: str,
    says: str,
) -> None:
    """The files are written and dnsmasq is told; live and definition, as wished."""
    before = server(namespace)
    if file == "hostsfile":
        first = "<host mac='52:54:00:00:00:04' ip='10.7.7.4'/>"
        network.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, section, -1, first, LIVE)
    network.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, section, -1, xml, LIVE)
    assert says in files(conn)[file]
    assert says.split(",")[0].split("\t")[0] in network.XMLDesc()
    assert says.split(",")[0].split("\t")[0] not in network.XMLDesc(1)
    network.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, section, -1, xml, CONFIG)
    assert says.split(",")[0].split("\t")[0] in network.XMLDesc(1)
    network.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE, section, -1, xml, BOTH)
    assert says not in files(conn)[file]
    assert server(namespace) == before


def test_a_range_restarts_the_server_and_nothing_else(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """The bridge stays the same link."""
    index, before = namespace.links()[network.bridgeName()]["ifindex"], server(namespace)
    section = libvirt.VIR_NETWORK_SECTION_IP_DHCP_RANGE
    more = "<range start='10.7.7.210' end='10.7.7.220'/>"
    with watching(conn.root) as events:
        network.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, section, 0, more)
        (event,) = events.wait(lambda each: isinstance(each, NetworkChanged))
    assert isinstance(event, NetworkChanged) and (event.section, event.live, event.config) == (
        section,
        True,
        False,
    )
    assert server(namespace) != before and "10.7.7.210" in files(conn)["conf"]
    assert namespace.links()[network.bridgeName()]["ifindex"] == index
    network.destroy()
    assert namespace.traces() == []


def test_a_change_that_cannot_be_is_refused_whole(network: libvirt.virNetwork) -> None:
    """What is active is not changed when the definition cannot be, nor the other way round."""
    network.undefine()
    section = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
    with pytest.raises(libvirt.libvirtError, match="cannot change persistent config of a transient network"):
        network.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, section, -1, HOST, BOTH)
    assert HOST not in network.XMLDesc()
    with pytest.raises(libvirt.libvirtError) as caught:
        network.update(libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE, section, -1, HOST, LIVE)
    assert caught.value.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID

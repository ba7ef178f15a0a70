"""The calls for filters, and guests' taps that have them, in a namespace of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import uri
from guest.namespace import Namespace
from integration.network.conftest import PROMPT, close, network_xml, plug

OWN = "<filter name='own'><rule action='drop' direction='out'><mac protocolid='{}'/></rule></filter>"
UUID = "11111111-2222-3333-4444-555555555555"


def refused(call: object, *arguments: object) -> tuple[int | None, str]:
    """Code and text of the error."""
    assert callable(call)
    with pytest.raises(libvirt.libvirtError) as caught:
        call(*arguments)
    return caught.value.get_error_code(), str(caught.value)


def test_a_filter_is_kept_found_and_forgotten(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """By name and by UUID, in a file as libvirt has it, and by whoever opens the root later."""
    made = conn.nwfilterDefineXML(OWN.format("ipv6"))
    assert "own" in conn.listNWFilters() and conn.numOfNWFilters() == len(conn.listAllNWFilters()) == 25
    assert conn.nwfilterLookupByName("own").UUIDString() == made.UUIDString()
    assert conn.nwfilterLookupByUUID(made.UUID()).XMLDesc() == made.XMLDesc()
    assert (tmp_path / "root/etc/nwfilter/own.xml").read_text() == made.XMLDesc()
    conn.close()
    with libvirt.open(uri(tmp_path / "root", "network"), settings=PROMPT) as again:
        found = again.nwfilterLookupByUUIDString(made.UUIDString())
        found.undefine()
        assert refused(found.XMLDesc)[0] == libvirt.VIR_ERR_NO_NWFILTER
        assert not (tmp_path / "root/etc/nwfilter/own.xml").exists()


def test_filters_that_clash_are_refused(conn: libvirt.virConnect) -> None:
    """With libvirt's code and words; built-in ones can be replaced under their UUID, and come back."""
    conn.nwfilterDefineXML(f"<filter name='own'><uuid>{UUID}</uuid></filter>")
    assert refused(conn.nwfilterDefineXML, "<filter name='own'/>") == (
        libvirt.VIR_ERR_OPERATION_FAILED,
        f"operation failed: filter 'own' already exists with uuid {UUID}",
    )
    assert (
        "different name ('own')"
        in refused(conn.nwfilterDefineXML, f"<filter name='x'><uuid>{UUID}</uuid></filter>")[1]
    )
    around = f"<filter name='own'><uuid>{UUID}</uuid><filterref filter='b'/></filter>"
    conn.nwfilterDefineXML("<filter name='b'><filterref filter='own'/></filter>")
    assert "would introduce a loop" in refused(conn.nwfilterDefineXML, around)[1]
    built_in = conn.nwfilterLookupByName("allow-arp")
    before = built_in.XMLDesc()
    assert "built in" in refused(built_in.undefine)[1]
    mine = f"<filter name='allow-arp'><uuid>{built_in.UUIDString()}</uuid></filter>"
    assert conn.nwfilterDefineXML(mine).XMLDesc() != before
    built_in.undefine()
    assert conn.nwfilterLookupByName("allow-arp").XMLDesc() == before


def test_a_filter_that_changes_is_in_force_at_once(conn: libvirt.virConnect, namespace: Namespace) -> None:
    """One that cannot be is not defined, and one that a guest has cannot go."""
    made = conn.nwfilterDefineXML(OWN.format("ipv6"))
    conn.networkCreateXML(network_xml())
    _, descriptors = plug(conn, filterref="<filterref filter='own'/>")
    assert "ip6 drop" in namespace.run("nft", "list", "ruleset")
    again = OWN.replace("<rule", f"<uuid>{made.UUIDString()}</uuid><rule", 1)
    conn.nwfilterDefineXML(again.format("arp"))
    assert "arp drop" in namespace.run("nft", "list", "ruleset")
    wrong = again.replace("<mac protocolid='{}'/>", "<tcp connlimit-above='3'/>")
    assert refused(conn.nwfilterDefineXML, wrong)[0] == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert "arp" in made.XMLDesc() and "arp drop" in namespace.run("nft", "list", "ruleset")
    assert refused(made.undefine)[0] == libvirt.VIR_ERR_OPERATION_INVALID
    close(descriptors)

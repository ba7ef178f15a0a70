"""Commands about networks, their ports and filters, each run in a network namespace of the test's own."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import small, uri
from guest.namespace import Namespace
from integration.cli.harness import Cli
from integration.network.conftest import namespace, network_xml

__all__ = ["namespace"]

HOST = "<host mac='52:54:00:00:00:07' name='seven' ip='10.7.7.7'/>"
UUID = "81ff0d90-c91e-6742-64da-4a736edb9a9b"
LEASE = "{expiry} 52:54:00:00:00:07 10.7.7.7 seven 01:52:54:00:00:00:07\n"


@pytest.fixture
def cli(tmp_path: Path, namespace: Namespace) -> Cli:
    """The command line with a root that has a network ``n``, defined."""
    made = Cli(tmp_path, own_process=False)
    file = made.file("n.xml", network_xml("n", more="<bridge name='br-n'/>"))
    assert made("net-define", file) == f"Network n defined from {file}\n"
    return made


def test_a_network_lives_from_define_to_undefine(cli: Cli, namespace: Namespace) -> None:
    """With virsh's words and columns, active from command to command, and gone without a trace."""
    header = "Name  State     Autostart  Persistent\n"
    assert cli("net-list", "--all") == f"{header}n     inactive  no         yes\n"
    assert cli("net-autostart", "n") == "Network n marked as autostarted\n"
    assert cli("net-start", "n") == "Network n started\n"
    assert "br-n" in namespace.links()
    assert cli("net-list").splitlines()[1].split() == ["n", "active", "yes", "yes"]
    uuid = cli("net-uuid", "n").strip()
    assert cli("net-name", uuid) == "n\n"
    assert cli("net-info", uuid) == (
        f"Name:           n\nUUID:           {uuid}\nActive:         yes\nPersistent:     yes\n"
        "Autostart:      yes\nBridge:         br-n\n"
    )
    assert cli("net-autostart", "n", "--disable") == "Network n unmarked as autostarted\n"
    refused = cli.try_("net-start", "n")
    assert (refused.returncode, "already active" in refused.stderr) == (1, True)
    assert cli("net-destroy", "n") == "Network n destroyed\n"
    assert namespace.traces() == []
    assert cli("net-undefine", "n") == "Network n has been undefined\n"
    assert cli.json("net-list", "--all") == []
    done = cli.try_("net-info", "n")
    assert done.stderr == "error: Network not found: no network with matching name 'n'\n"


def test_lists_are_of_what_is_wanted(cli: Cli) -> None:
    """By state, definition and autostart; as JSON, names or UUIDs."""
    cli("net-create", "-", stdin="<network><name>t</name></network>")
    cli("net-autostart", "n")
    for words, names in (
        ((), ["t"]),
        (("--inactive",), ["n"]),
        (("--all", "--persistent"), ["n"]),
        (("--all", "--transient"), ["t"]),
        (("--all", "--autostart"), ["n"]),
        (("--all", "--no-autostart"), ["t"]),
    ):
        assert [row["name"] for row in cli.json("net-list", *words)] == names
        assert cli("net-list", *words, "--name").split() == names
    (row,) = cli.json("net-list")
    assert cli("net-list", "--uuid", "--name") == f"{row['uuid']} t\n"
    assert cli.json("net-info", "t") == row
    assert (row["active"], row["persistent"], row["autostart"]) == (True, False, False)
    cli("net-destroy", "t")


def test_a_network_that_a_file_describes_is_started(cli: Cli) -> None:
    """Transient; its XML is shown whole or in part, of the next start or as it is."""
    file = cli.file("t.xml", network_xml("t", "10.8.8.1", more="<forward mode='nat'/>"))
    assert cli("net-create", file, "--validate") == f"Network t created from {file}\n"
    assert "<port start='1024' end='65535'/>" in cli("net-dumpxml", "t")
    assert "<port" not in cli("net-dumpxml", "t", "--inactive")
    assert cli("net-dumpxml", "t", "--xpath", "/network/name", "--wrap") == (
        "<nodes>\n<name>t</name>\n</nodes>\n"
    )
    cli("net-destroy", "t")
    refused = cli.try_("net-define", "--validate", "-", stdin="<network><name>x</name><odd/></network>")
    assert (refused.returncode, "odd" in refused.stderr) == (1, True)


def test_a_section_is_changed(cli: Cli) -> None:
    """Of the live network, the definition or both, from words or a file; what was changed is said."""
    hosts = ("net-dumpxml", "n", "--xpath", "//dhcp/host/@name")
    add = ("net-update", "n", "add", "ip-dhcp-host")
    assert cli(*add, HOST) == "Updated network n persistent config\n"
    cli("net-start", "n")
    assert cli("net-update", "n", "delete", "ip-dhcp-host", HOST) == "Updated network n live state\n"
    assert cli(*hosts, "--inactive") == "seven\n"
    assert cli.try_(*hosts).stderr == "error: '//dhcp/host/@name' finds nothing\n"
    both = "Updated network n persistent config and live state\n"
    other = cli.file("host.xml", HOST.replace("seven", "eight"))
    modify = ("net-update", "n", "modify", "ip-dhcp-host")
    assert cli(*add, "-", "--live", "--parent-index", "0", stdin=HOST) == "Updated network n live state\n"
    assert cli(*modify, other, "--live", "--config") == both
    assert (cli(*hosts), cli(*hosts, "--inactive")) == ("eight\n", "eight\n")
    changed = cli.json(*modify, other, "--live", "--config")["changed"]
    assert changed == ["persistent config", "live state"]
    cli("net-destroy", "n")
    for words in (
        ("frob", "ip-dhcp-host", HOST),
        ("add", "frob", HOST),
        ("add", "ip", HOST, "--live", "--current"),
    ):
        assert cli.try_("net-update", "n", *words).returncode == 2
    assert "error: nowhere: No such file" in cli.try_(*add, "nowhere").stderr


def test_leases_are_listed(cli: Cli) -> None:
    """In virsh's columns, those that have not expired, of all guests or one."""
    headers = cli("net-dhcp-leases", "n")
    assert headers == "Expiry Time  MAC address  Protocol  IP address  Hostname  Client ID or DUID\n"
    expiry = int(time.time()) + 3600
    folder = cli.root / "lib/dnsmasq"
    folder.mkdir(exist_ok=True)
    (folder / "n.leases").write_text(
        LEASE.format(expiry=expiry) + f"{expiry} 52:54:00:00:00:08 10.7.7.8 * *\n" + LEASE.format(expiry=1)
    )
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(expiry))
    first, second = cli("net-dhcp-leases", "n").splitlines()[1:]
    said = f"{when} 52:54:00:00:00:07 ipv4 10.7.7.7/24 seven 01:52:54:00:00:00:07"
    assert first.split() == said.split()
    assert second.split() == f"{when} 52:54:00:00:00:08 ipv4 10.7.7.8/24 - -".split()
    (lease,) = cli.json("net-dhcp-leases", "n", "--mac", "52:54:00:00:00:07")
    assert (lease["ipaddr"], lease["expirytime"]) == ("10.7.7.7", expiry)


def test_a_definition_is_edited(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the editor of the environment; what cannot be a network is refused, and it is as it was."""
    monkeypatch.setenv("VISUAL", "true")
    assert cli("net-edit", "n") == "Network n XML configuration not changed.\n"
    monkeypatch.setenv("VISUAL", "sed -i s,10.7.7,10.6.6,g")
    assert cli("net-edit", "n") == "Network n XML configuration edited.\n"
    assert cli("net-dumpxml", "n", "--xpath", "//ip/@address") == "10.6.6.1\n"
    monkeypatch.setenv("VISUAL", "sed -i s,10.6.6.1,nowhere,")
    done = cli.try_("net-edit", "n", stdin="n\n")
    assert (done.returncode, "error: network n is as it was" in done.stderr) == (1, True)
    assert cli("net-dumpxml", "n", "--xpath", "//ip/@address") == "10.6.6.1\n"


def test_a_port_is_made_shown_and_removed(cli: Cli) -> None:
    """By its UUID."""
    cli("net-start", "n")
    owner = "<owner><uuid>6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b</uuid><name>x</name></owner>"
    port = f"<networkport><uuid>{UUID}</uuid>{owner}<mac address='52:54:00:00:00:09'/></networkport>"
    file = cli.file("port.xml", port)
    said = cli("net-port-create", "n", file)
    uuid = cli("net-port-list", "n", "--uuid").strip()
    assert said == f"Network port {uuid} created from {file}\n"
    assert cli("net-port-list", "n") == f"UUID\n{uuid}\n"
    assert cli("net-port-dumpxml", "n", uuid, "--xpath", "//mac/@address") == "52:54:00:00:00:09\n"
    assert cli("net-port-delete", "n", uuid) == f"Network port {uuid} deleted\n"
    assert cli.json("net-port-list", "n") == []
    assert cli.try_("net-port-delete", "n", uuid).returncode == 1
    cli("net-destroy", "n")


def test_filters_are_listed_shown_made_and_removed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in ones stay; virsh's words."""
    assert "clean-traffic" in [row["name"] for row in cli.json("nwfilter-list")]
    assert cli("nwfilter-list").splitlines()[0].split() == ["UUID", "Name"]
    assert "<filter name='clean-traffic'" in cli("nwfilter-dumpxml", "clean-traffic")
    file = cli.file("f.xml", "<filter name='mine' chain='root'><rule action='drop' direction='in'/></filter>")
    assert cli("nwfilter-define", file) == f"Network filter mine defined from {file}\n"
    monkeypatch.setenv("VISUAL", "sed -i s,drop,accept,")
    assert cli("nwfilter-edit", "mine") == "Network filter mine XML configuration edited.\n"
    assert cli("nwfilter-dumpxml", "mine", "--xpath", "//rule/@action") == "accept\n"
    assert cli("nwfilter-undefine", "mine") == "Network filter mine undefined\n"
    refused = cli.try_("nwfilter-undefine", "mine")
    assert refused.stderr == "error: Network filter not found: no nwfilter with matching name 'mine'\n"
    assert cli.try_("nwfilter-undefine", "clean-traffic").returncode == 1


def test_events_of_networks_are_waited_for(cli: Cli) -> None:
    """Those that there are, for as long as is said, in virsh's words."""
    assert cli("net-event", "--list") == "lifecycle\n"
    assert cli.try_("net-event").returncode == 2
    waiting = ("net-event", "--event", "lifecycle", "--network", "n", "--timeout", "1")
    assert cli(*waiting) == "event loop timed out\nevents received: 0\n"
    said: list[str] = []
    hearing = threading.Thread(target=lambda: said.append(cli("net-event", "--event", "lifecycle")))
    with libvirt.open(uri(cli.root, "network")) as conn:
        hearing.start()
        while hearing.is_alive():
            conn.networkDefineXML("<network><name>brief</name></network>").undefine()
    first, count = said[0].splitlines()
    assert first in [f"event 'lifecycle' for network brief: {what}" for what in ("Defined", "Undefined")]
    assert count == "events received: 1"


def test_a_cable_is_shown_as_it_would_be(cli: Cli) -> None:
    """With --print-xml nothing is pulled."""
    card = "<interface type='network'><mac address='52:54:00:00:00:09'/><source network='n'/></interface>"
    cli("define", "-", stdin=small("g", devices=card))
    words = ("domif-setlink", "g", "52:54:00:00:00:09", "down", "--config")
    assert "<link state='down'/>" in cli(*words, "--print-xml").replace('"', "'")
    assert cli("domif-getlink", "g", "52:54:00:00:00:09", "--config").split() == ["52:54:00:00:00:09", "up"]
    cli(*words)
    assert cli("domif-getlink", "g", "52:54:00:00:00:09", "--config").split()[1] == "down"

"""Commands about devices, power and the host."""

from __future__ import annotations

import pytest

from guest.domain import small
from integration.cli.harness import FIRMWARE, Cli

RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"


@pytest.fixture
def demo(cli: Cli) -> str:
    """The UUID of a defined domain ``demo``."""
    uuid: str = cli.json("define", "-", stdin=FIRMWARE.format(name="demo"))["uuid"]
    return uuid


def test_a_definition_gets_and_loses_a_device(cli: Cli, demo: str) -> None:
    """--config changes the definition; what is not there cannot be taken."""
    assert cli("attach-device", "demo", "-", "--config", stdin=RNG) == "Device of standard input attached\n"
    assert "<rng " in cli("dumpxml", "demo")
    assert cli("detach-device", "demo", "-", "--config", stdin=RNG) == "Device of standard input detached\n"
    assert "<rng " not in cli("dumpxml", "demo")
    refused = cli.try_("detach-device", "demo", "-", "--config", stdin=RNG)
    assert (refused.returncode, "device not found" in refused.stderr) == (1, True)


def test_a_domain_is_reset_renamed_and_marked(cli: Cli, demo: str) -> None:
    """The commands say what they did, and the domain is as they say."""
    cli("start", "demo")
    assert cli("reset", "demo") == "Domain 'demo' was reset\n"
    cli("destroy", "demo")
    assert cli("autostart", "demo") == "Domain 'demo' marked as autostarted\n"
    assert cli.json("autostart", "demo", "--disable")["autostart"] is False
    assert cli("domrename", "demo", "other") == "Domain successfully renamed to 'other'\n"
    assert cli("domuuid", "other") == f"{demo}\n"


def test_the_host_is_described(cli: Cli, demo: str) -> None:
    """Capabilities are XML, the native form a command line, statistics a line each."""
    assert cli("capabilities").startswith("<capabilities>")
    assert "<machine>pc-q35" in cli("domcapabilities", "--machine", "q35", "--virttype", "qemu")
    assert "-uuid " in cli("domxml-to-native", "-", stdin=FIRMWARE.format(name="x"))
    assert "  state.state=5\n" in cli("domstats", "demo")
    assert cli.json("domstats", "demo")["state.state"] == 5


def test_network_cards_are_listed_and_changed(cli: Cli) -> None:
    """By virsh's names: the cable and the limits of a definition's card, by its MAC address."""
    mac = "52:54:00:00:00:01"
    card = f"<interface type='user'><mac address='{mac}'/><model type='virtio'/></interface>"
    cli("define", "-", stdin=small("cards", devices=card))
    assert cli.json("domiflist", "cards") == [
        {"interface": "-", "type": "user", "source": "-", "model": "virtio", "mac": mac}
    ]
    assert cli("domif-getlink", "cards", mac, "--config") == f"{mac} up\n"
    cli("domif-setlink", "cards", mac, "down", "--config")
    assert cli("domif-getlink", "cards", mac, "--config") == f"{mac} down\n"
    cli("domiftune", "cards", mac, "--inbound", "100,200", "--config")
    assert cli.json("domiftune", "cards", mac, "--config")["inbound.peak"] == 200
    assert "expected its MAC or its device" in cli.try_("domif-getlink", "cards", "nobody").stderr

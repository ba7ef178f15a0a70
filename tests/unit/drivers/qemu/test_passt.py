"""The command line of passt: what a card's addresses and forwarded ports become."""

from __future__ import annotations

from pathlib import Path

import pytest

from embervirt.drivers.qemu.backend.passt import Passt, forward
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.interface_network import PortForward
from embervirt.drivers.xml import parse

FORWARDS = {
    "<portForward proto='tcp'/>": ["--tcp-ports", "all"],
    "<portForward proto='udp' address='10.0.0.1' dev='e0'/>": ["--udp-ports", "10.0.0.1%e0/1-65535"],
    "<portForward proto='tcp'><range start='22'/></portForward>": ["--tcp-ports", "22"],
    "<portForward proto='tcp' address='::1'><range start='20' end='29' to='120'/>"
    "<range start='25' end='26' exclude='yes'/></portForward>": ["--tcp-ports", "::1/20-29:120-129,~25-26"],
}


@pytest.mark.parametrize(("xml", "expected"), FORWARDS.items())
def test_forwarded_ports_are_written_as_passt_reads_them(xml: str, expected: list[str]) -> None:
    """Ranges with where they lead, and what is left out, behind the host's address and device."""
    assert forward(parse(PortForward, xml)) == expected


def test_card_says_its_addresses_link_and_log() -> None:
    """A descriptor, or without one a socket for one connection; the MAC is the card's."""
    card = parse(
        Interface,
        "<interface type='user'><mac address='52:54:00:00:00:01'/><source dev='e0'/>"
        "<ip address='10.0.0.5' prefix='24'/><ip address='fd00::5' prefix='64'/>"
        "<backend type='passt' logFile='/l'/><alias name='net0'/></interface>",
    )
    words = Passt(card, Path("/run"), Path("/s")).arguments(7)
    assert words[words.index("--fd") + 1] == "7"
    assert words[words.index("--mac-addr") :] == [
        *("--mac-addr", "52:54:00:00:00:01", "--interface", "e0", "--log-file", "/l"),
        *("--address", "10.0.0.5", "--netmask", "24", "--address", "fd00::5"),
    ]
    words = Passt(card, Path("/run"), Path("/s")).arguments(None)
    assert words[words.index("--socket") + 1] == "net0"

"""A description shows no password, unless it is asked for."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.service.shown import migratable, shown
from embervirt.drivers.xml import parse, render

DISPLAY = "<graphics type='vnc' port='5901' passwd='hunter2' passwdValidTo='2030-01-01T00:00:00'/>"
OWN = '<metadata><a:b xmlns:a="http://a"><graphics passwd="mine"/></a:b></metadata>'


def described(devices: str) -> str:
    """As it is kept."""
    start = f"<domain type='qemu'><name>a</name>{OWN}<os><type>hvm</type></os>"
    return render(parse(Domain, f"{start}<devices>{devices}</devices></domain>"))


def test_passwords_of_displays_are_left_out() -> None:
    """As libvirt has it; until when they count is shown, and metadata is left alone."""
    told = shown(described(DISPLAY))
    assert "hunter2" not in told
    assert "passwdValidTo='2030-01-01T00:00:00'" in told
    assert OWN in told


def test_cookies_of_web_servers_are_left_out() -> None:
    """They are as good as passwords: neither those of an image nor those of one below it are shown."""
    source = "<source protocol='http' name='i'><cookies><cookie name='a'>hunter2</cookie></cookies></source>"
    below = f"<backingStore type='network'><format type='raw'/>{source}</backingStore>"
    told = shown(described(f"<disk type='network'>{source}{below}<target dev='vda'/></disk>"))
    assert "hunter2" not in told
    assert told.count("protocol='http'") == 2


def test_what_has_no_password_is_shown_as_it_is() -> None:
    """Not even rendered again."""
    xml = described(DISPLAY.replace("passwd='hunter2'", ""))
    assert shown(xml) == xml
    plain = xml.replace(OWN, "")
    assert shown(plain) is plain


def test_a_migratable_description_has_no_device_that_libvirt_adds() -> None:
    """Those an old libvirt would add itself: first PCI and USB controllers, PS/2 keyboard, silent audio."""
    added = (
        "<controller type='usb' index='0' model='piix3-uhci'/>"
        "<controller type='pci' index='0' model='pci-root'/>"
        "<input type='keyboard' bus='ps2'/><audio id='1' type='none'/>"
    )
    own = "<controller type='pci' index='1' model='pci-bridge'/><input type='mouse' bus='ps2'/>"
    assert migratable(described(added + own)) == described(own)
    usb = "<controller type='usb' index='0' model='nec-xhci'/>"
    assert migratable(described(usb)) == described(usb)

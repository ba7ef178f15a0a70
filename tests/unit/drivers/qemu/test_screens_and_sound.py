"""Screens, graphics cards, input devices and sound: what an XML becomes is what libvirt 9 makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import described
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Devices, Domain
from embervirt.drivers.qemu.model.graphics import Listen
from embervirt.drivers.qemu.model.video import Video, VideoModel
from embervirt.drivers.qemu.parts import (
    Audiodev,
    Device,
    Object,
    Option,
    compile,
)
from embervirt.drivers.qemu.service import screens
from embervirt.errors import libvirtError

TEXT = (
    "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os>"
    "<devices>{}</devices></domain>"
)
WHERE = {"bus", "addr", "port"}


def defined(devices: str, caps: Capabilities) -> Domain:
    """A domain with these devices, as the driver defines it."""
    return described.defined(TEXT.format(devices), caps)


def made(devices: str, caps: Capabilities) -> list[Any]:
    """Its parts, in their order."""
    return compile(defined(devices, caps), caps, described.RUN)


def options(parts: Iterable[Any], name: str) -> list[str | None]:
    """Values of an option of the command line."""
    return [part.value for part in parts if isinstance(part, Option) and part.name == name]


def devices(parts: Iterable[Any], prefix: str) -> list[tuple[str, dict[str, Any]]]:
    """Drivers and properties of devices by the beginning of their ids, without where they are plugged in."""
    chosen = [part for part in parts if isinstance(part, Device) and (part.id or "").startswith(prefix)]
    return [
        (part.driver, {key: value for key, value in part.props.items() if key not in WHERE})
        for part in chosen
    ]


# Screens.

VNC = {
    "": ("127.0.0.1:0", (-1, True, None)),
    "port='5905'": ("127.0.0.1:5", (5905, False, None)),
    "port='5905' autoport='yes'": ("127.0.0.1:0", (-1, True, None)),
    "listen='0.0.0.0' port='5900'": ("0.0.0.0:0", (5900, False, "0.0.0.0")),
    "listen='::1' port='65530'": ("[::1]:59630", (65530, False, "::1")),
    "sharePolicy='ignore' powerControl='no'": (
        "127.0.0.1:0,share=ignore,power-control=off",
        (-1, True, None),
    ),
    "websocket='5700'": ("127.0.0.1:0,websocket=5700", (-1, True, None)),
    "passwd='abc' websocket='-1'": ("127.0.0.1:0,websocket=-1,password=on", (-1, True, None)),
    "socket='/tmp/a,b'": ("vnc=unix:/tmp/a,,b", (None, None, None)),
    "websocket='0'": ("127.0.0.1:0", (-1, True, None)),
}


@pytest.mark.parametrize(("attributes", "expected"), VNC.items())
def test_vnc_listens_where_the_xml_says(
    attributes: str, expected: tuple[str, Any], caps: Capabilities
) -> None:
    """Port, address, socket and policy reach QEMU, and the definition says both ways what is meant."""
    xml = f"<graphics type='vnc' {attributes}/>"
    (screen,) = defined(xml, caps).devices.graphics
    assert options(made(xml, caps), "vnc") == [f"{expected[0]},audiodev=audio1"]
    assert (screen.port, screen.autoport, screen.listen) == expected[1]


LISTENS = {
    "<listen type='none'/>": "none",
    "<listen type='socket'/>": "vnc=unix:/run-dir/vnc.sock",
    "<listen type='socket' socket='/s'/>": "vnc=unix:/s",
    "<listen type='address' address='10.0.0.1'/>": "10.0.0.1:0",
}


@pytest.mark.parametrize(("listen", "expected"), LISTENS.items())
def test_listen_element_counts_like_the_attributes(listen: str, expected: str, caps: Capabilities) -> None:
    """A way in can be described by an element of its own."""
    parts = made(f"<graphics type='vnc'>{listen}</graphics>", caps)
    assert options(parts, "vnc") == [f"{expected},audiodev=audio1"]


UNSTARTABLE = {
    "<graphics type='vnc'/><graphics type='vnc'/>": "only 1 graphics device",
    "<graphics type='vnc' port='100'/>": "range [5900,65535]",
    "<graphics type='vnc' port='0'/>": "range [5900,65535]",
    "<graphics type='vnc' port='-1' autoport='no'/>": "range [5900,65535]",
    "<graphics type='vnc'><listen type='none'/><listen type='socket'/></graphics>": "multiple listens",
    "<graphics type='vnc'><listen type='network' network='n'/></graphics>": "network 'n'",
}


@pytest.mark.parametrize(("xml", "expected"), UNSTARTABLE.items())
def test_screens_that_qemu_cannot_have_are_defined_but_not_started(
    xml: str, expected: str, caps: Capabilities
) -> None:
    """As in libvirt, whose users keep such definitions; the start says what is wrong."""
    assert defined(xml, caps).devices.graphics
    with pytest.raises(libvirtError, match=re.escape(expected)) as refused:
        made(xml, caps)
    assert refused.value.get_error_code() == 67


def test_a_socket_that_an_attribute_names_goes_before_an_address(caps: Capabilities) -> None:
    """The element that says an address is replaced; what a type of way in has no use for is gone."""
    listens = "<listen type='address' address='::1'/><listen type='none' address='::1'/>"
    (screen,) = defined(f"<graphics type='vnc' socket='/s'>{listens}</graphics>", caps).devices.graphics
    assert screen.listens == (Listen(type="socket", socket="/s"), Listen(type="none"))


def test_a_screen_brings_a_graphics_card(caps: Capabilities) -> None:
    """Who shows a screen and names no card gets cirrus, and no display of QEMU's own is switched off."""
    parts = made("<graphics type='vnc' keymap='de'/>", caps)
    assert devices(parts, "video") == [("cirrus-vga", {})]
    assert (options(parts, "k"), options(parts, "display")) == (["de"], [])


def test_ports_that_qemu_chose_are_in_the_live_description(caps: Capabilities) -> None:
    """What query-vnc-servers says replaces the wish for any port; the address is the one it listens on."""
    domain = defined("<graphics type='vnc' websocket='-1'/>", caps)
    ends = [{"service": "5903", "websocket": False}, {"service": "5703", "websocket": True}]
    (screen,) = screens.found(domain, [{"id": "default", "server": ends}], Path("/d")).devices.graphics
    assert (screen.port, screen.websocket, screen.listen) == (5903, 5703, "127.0.0.1")
    assert screen.listens[0].address == "127.0.0.1"


def test_password_is_told_after_the_start_and_not_on_the_command_line(caps: Capabilities) -> None:
    """The command line only says that there is one; QMP says which, and when it ends (UTC)."""
    xml = "<graphics type='vnc' passwd='se,cret' passwdValidTo='2030-01-01T00:00:00' connected='keep'/>"
    (screen,) = defined(xml, caps).devices.graphics
    assert not any("se,cret" in str(part) or "se,,cret" in str(part) for part in made(xml, caps))
    assert list(screens.password(screen)) == [
        ("set_password", {"protocol": "vnc", "password": "se,cret", "connected": "keep"}),
        ("expire_password", {"protocol": "vnc", "time": "1893456000"}),
    ]


# Graphics cards.

CARDS = {
    "<model type='vga'/>": ("VGA", {"vgamem_mb": 16}),
    "<model type='vga' vram='9000'><resolution x='800' y='600'/></model>": (
        "VGA",
        {"vgamem_mb": 16, "xres": 800, "yres": 600},
    ),
    "<model type='cirrus'/>": ("cirrus-vga", {}),
    "<model type='vmvga'/>": ("vmware-svga", {"vgamem_mb": 16}),
    "<model type='bochs' vram='20000'/>": ("bochs-display", {"vgamem": 33554432}),
    "<model type='ramfb'/>": ("ramfb", {}),
    "<model type='default' vram='1' ram='0' vgamem='0'/>": ("cirrus-vga", {}),
    "<driver vgaconf='io'/><model type='vga' vram='1000'/>": ("VGA", {"vgamem_mb": 1}),
    "<model type='qxl' vram64='9300' vram='1'><acceleration accel2d='no'/></model>": (
        "qxl-vga",
        {"max_outputs": 1, "ram_size": 67108864, "vram_size": 1024, "vram64_size_mb": 9, "vgamem_mb": 16},
    ),
    "<driver iommu='on'/><model type='virtio' heads='2'/>": (
        "virtio-vga",
        {"iommu_platform": True, "max_outputs": 2},
    ),
    "<model type='virtio'><acceleration accel3d='yes'/></model>": ("virtio-vga-gl", {"max_outputs": 1}),
    "<model type='qxl' vram64='131072'/>": (
        "qxl-vga",
        {
            "max_outputs": 1,
            "ram_size": 67108864,
            "vram_size": 67108864,
            "vram64_size_mb": 128,
            "vgamem_mb": 16,
        },
    ),
}


@pytest.mark.parametrize(("inner", "expected"), CARDS.items())
def test_graphics_card_has_its_memory(inner: str, expected: Any, caps: Capabilities) -> None:
    """Each model has QEMU's driver, and memory as libvirt gives it: a power of two."""
    assert devices(made(f"<video>{inner}</video>", caps), "video") == [expected]


def test_primary_card_stands_first(caps: Capabilities) -> None:
    """Of several cards the one marked is the first; the others are drivers without firmware of their own."""
    cards = "<video><model type='qxl'/></video><video><model type='virtio' primary='yes'/></video>"
    parts = made(cards, caps)
    assert [driver for driver, _ in devices(parts, "video")] == ["virtio-vga", "qxl"]
    none = "<video><driver name='qemu'/><model type='none' heads='2'/><address type='pci' slot='7'/></video>"
    assert defined(none, caps).devices.videos == (Video(model=VideoModel(type="none")),)
    assert devices(made(none, caps), "video") == []


# Input, hubs, sound.


def test_input_devices_are_on_their_buses(caps: Capabilities) -> None:
    """USB and virtio devices are added, PS/2 ones are the machine's and always listed."""
    xml = (
        "<input type='tablet'/><input type='mouse' bus='virtio'/>"
        "<input type='evdev'><source dev='/dev/input/event3' grab='all' repeat='on'/></input>"
    )
    parts = made(xml, caps)
    assert [driver for driver, _ in devices(parts, "input")] == ["usb-tablet", "virtio-mouse-pci"]
    (evdev,) = [part for part in parts if isinstance(part, Object) and part.type == "input-linux"]
    assert dict(evdev.props) == {"evdev": "/dev/input/event3", "repeat": True, "grab_all": True}
    listed = [(item.type, item.bus) for item in defined(xml, caps).devices.inputs]
    assert listed[-2:] == [("mouse", "ps2"), ("keyboard", "ps2")]


def test_sound_cards_play_on_their_backend(caps: Capabilities) -> None:
    """HD Audio has codecs, other cards play themselves; without a word the first backend is meant."""
    xml = (
        "<sound model='ich6'><codec type='micro'/><codec type='output'/></sound><sound model='ac97'>"
        "<audio id='2'/></sound><audio id='1' type='none'/><audio id='2' type='file' path='/a.wav'/>"
    )
    parts = made(xml, caps)
    assert devices(parts, "sound") == [
        ("intel-hda", {}),
        ("hda-micro", {"cad": 0, "audiodev": "audio1"}),
        ("hda-output", {"cad": 1, "audiodev": "audio1"}),
        ("AC97", {"audiodev": "audio2"}),
    ]
    backends = [(part.driver, dict(part.props)) for part in parts if isinstance(part, Audiodev)]
    assert backends == [("none", {}), ("wav", {"path": "/a.wav"})]


def test_audio_settings_reach_qemu(caps: Capabilities) -> None:
    """Everything that the XML says of a direction is in QEMU's words."""
    xml = (
        "<audio id='1' type='oss' tryMMap='yes' dspPolicy='3'><input mixingEngine='yes' fixedSettings='yes' "
        "voices='1' dev='/d' tryPoll='no'><settings frequency='44100' channels='2' format='s16'/></input>"
        "</audio>"
    )
    (backend,) = [part for part in made(xml, caps) if isinstance(part, Audiodev)]
    settings = {"frequency": 44100, "channels": 2, "format": "s16"}
    stream = {"mixing-engine": True, "fixed-settings": True, "voices": 1, "dev": "/d", "try-poll": False}
    assert dict(backend.props) == {"try-mmap": True, "dsp-policy": 3, "in": {**stream, **settings}}


def test_without_a_word_all_sound_is_dropped(caps: Capabilities) -> None:
    """A domain without <audio> gets one that goes nowhere."""
    found: Devices = defined("", caps).devices
    assert [(audio.id, audio.type) for audio in found.audios] == [(1, "none")]


# Refusals.

REFUSED = {
    "<graphics type='spice'/>": (67, "spice"),
    "<graphics type='none'/>": (27, "expected one of: vnc"),
    "<graphics/>": (27, "'type' is missing"),
    "<graphics type='vnc' passwd='123456789'/>": (67, "9 characters long, only 8"),
    "<graphics type='vnc' passwd='äöüßa'/>": (67, "9 characters long, only 8"),
    "<graphics type='vnc' port='x'/>": (1, "decimal number"),
    "<graphics type='vnc' passwd='a' connected='fail'/>": (67, "connected='keep' only"),
    "<graphics type='vnc' passwd='a' passwdValidTo='x'/>": (1, "YYYY-MM-DDTHH:MM:SS"),
    "<graphics type='vnc' passwd='a' passwdValidTo='2010-13-09T15:51:00'/>": (1, "month must be in 1..12"),
    "<graphics type='vnc'><listen type='network'/></graphics>": (27, "'network' attribute is required"),
    "<graphics type='vnc'><listen type='none' socket='/a'/></graphics>": (
        27,
        "only for listen type 'socket'",
    ),
    "<graphics type='vnc' websocket='-2'/>": (67, "websocket"),
    "<graphics type='vnc' listen='::1'><listen type='address' address='127.0.0.1'/></graphics>": (
        67,
        "must match",
    ),
    "<video><model type='bochs'/></video><video><model type='vga'/></video>": (67, "only valid as primary"),
    "<video><model type='qxl'/></video><video><model type='none'/></video>": (67, "must be the only video"),
    "<video><model type='vga' heads='2'/></video>": (67, "multiple 'heads'"),
    "<video><model type='vga' vram='100'/></video>": (67, "at least 1 MiB"),
    "<video><model type='qxl' vgamem='9216'/></video>": (67, "must be power of two"),
    "<video><model type='qxl' ram='3000000'/></video>": (82, "less than '4194303'"),
    "<video><model type='vga'><acceleration/></model></video>": (67, "missing values for acceleration"),
    "<video><model type='virtio'><acceleration accel2d='yes'/></model></video>": (67, "2d"),
    "<video><model type='vga'><resolution x='0' y='6'/></model></video>": (67, "greater than 0"),
    "<video><model type='vga' heads='x'/></video>": (1, "decimal number"),
    "<video><driver iommu='on'/><model type='vga'/></video>": (67, "only supported for virtio"),
    "<video><model type='vga'/><address type='isa'/></video>": (67, "requires address type 'pci'"),
    "<video><model type='vga' ram='4096'/></video>": (67, "only supported for video type qxl"),
    "<video><model type='cirrus'><resolution x='8' y='6'/></model></video>": (27, "resolution"),
    "<video><model type='vga'><acceleration accel3d='yes'/></model></video>": (67, "only with 'virtio'"),
    "<video><model type='x'/></video>": (67, "expected one of: cirrus"),
    "<input type='tablet' bus='ps2'/>": (1, "ps2 bus does not support tablet"),
    "<input type='passthrough' bus='usb'/>": (67, "only bus 'virtio'"),
    "<input type='evdev'/>": (67, "<source dev="),
    "<input type='keyboard' bus='usb' model='virtio'/>": (67, "only bus 'virtio'"),
    "<input type='joystick'/>": (67, "expected one of: mouse"),
    "<hub type='pci'/>": (67, "expected one of: usb"),
    "<sound model='x'/>": (27, "expected one of: sb16"),
    "<sound model='ac97'><audio id='2'/></sound>": (27, "no audio device with ID 2"),
    "<audio id='1' type='none'/><audio id='1' type='none'/>": (27, "used multiple times"),
    "<audio id='0' type='none'/>": (27, "from 1"),
    "<audio id='1' type='alsa'><input fixedSettings='yes'/></audio>": (67, "requires mixing engine"),
}


@pytest.mark.parametrize(("xml", "expected"), REFUSED.items())
def test_what_cannot_be_is_refused(xml: str, expected: tuple[int, str], caps: Capabilities) -> None:
    """With libvirt's code, and words that say what would be accepted."""
    with pytest.raises(libvirtError) as refused:
        defined(xml, caps)
    assert refused.value.get_error_code() == expected[0]
    assert expected[1] in str(refused.value)

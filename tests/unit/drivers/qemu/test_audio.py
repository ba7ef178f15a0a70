"""Audio backends: what of their XML libvirt 9 keeps."""

from __future__ import annotations

import pytest

from embervirt.drivers.qemu.model.sound import Audio
from embervirt.drivers.qemu.postparse.sound import backends
from embervirt.drivers.xml import parse, render

ALL = "tryMMap='yes' exclusive='yes' dspPolicy='3' serverName='a' driver='alsa' path='/x'"
STREAM = (
    "dev='x' bufferCount='3' tryPoll='yes' name='a' streamName='b' latency='3' serverName='s'"
    " clientName='c' connectPorts='d' exactName='yes'"
)


def kept(type_: str, stream: str, whole: str = "") -> str:
    """What stands in the definition of a backend of this type."""
    text = f"<audio id='1' type='{type_}' {whole}><output {stream}</audio>"
    (audio,) = backends((parse(Audio, text, strict=True),))
    return "".join(line.strip() for line in render(audio).splitlines())


@pytest.mark.parametrize(
    ("type_", "whole", "stream"),
    [
        ("none", "", ""),
        ("alsa", "", "dev='x'"),
        ("coreaudio", "", "bufferCount='3'"),
        ("jack", "", "serverName='s' clientName='c' connectPorts='d' exactName='yes'"),
        ("oss", "tryMMap='yes' exclusive='yes' dspPolicy='3'", "dev='x' bufferCount='3' tryPoll='yes'"),
        ("pulseaudio", "serverName='a'", "name='a' streamName='b' latency='3'"),
        ("sdl", "driver='alsa'", "bufferCount='3'"),
        ("file", "path='/x'", ""),
        ("dbus", "", ""),
    ],
)
def test_a_backend_keeps_what_is_its_own(type_: str, whole: str, stream: str) -> None:
    """What belongs to other types is dropped, and a direction of which nothing is left."""
    start = " ".join(filter(None, ("<audio id='1'", f"type='{type_}'", whole)))
    inside = f">{f'<output {stream}/>'}</audio>" if stream else "/>"
    assert kept(type_, f"{STREAM}/>", ALL) == start + inside


def test_fixed_settings_stand_there_when_they_say_nothing() -> None:
    """As an empty element; a number of 0 is none."""
    fixed = "mixingEngine='yes' fixedSettings='yes'"
    text = kept("sdl", f"{fixed} bufferCount='0'/>")
    assert text == f"<audio id='1' type='sdl'><output {fixed}><settings/></output></audio>"

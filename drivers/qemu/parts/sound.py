"""Sound cards, and where their sound goes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model.graphics import Graphics
from embervirt.drivers.qemu.model.sound import Audio, AudioStream, Codec, Sound
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Audiodev, Device, Part

CARDS = {
    "sb16": "sb16",
    "es1370": "ES1370",
    "ac97": "AC97",
    "usb": "usb-audio",
    "ich6": "intel-hda",
    "ich9": "ich9-intel-hda",
}
HDA = ("ich6", "ich9")

BACKENDS = {"pulseaudio": "pa", "file": "wav"}
"""QEMU's name of a backend where it is not libvirt's."""

WHOLE = {
    "timer-period": "timer_period",
    "server": "server_name",
    "path": "path",
    "try-mmap": "try_mmap",
    "exclusive": "exclusive",
    "dsp-policy": "dsp_policy",
}
STREAM = {
    "mixing-engine": "mixing_engine",
    "fixed-settings": "fixed_settings",
    "voices": "voices",
    "buffer-length": "buffer_length",
    "dev": "dev",
    "buffer-count": "buffer_count",
    "try-poll": "try_poll",
    "name": "name",
    "stream-name": "stream_name",
    "latency": "latency",
    "server-name": "server_name",
    "client-name": "client_name",
    "connect-ports": "connect_ports",
    "exact-name": "exact_name",
}
SETTINGS = {"frequency": "frequency", "channels": "channels", "format": "format"}
"""QEMU's options (``-audiodev``) by libvirt's fields."""


def backend(device: Sound | Graphics, build: Build) -> dict[str, Any]:
    """The property that names the backend: the device's own or the first."""
    audios = build.domain.devices.audios
    number = device.audio.id if device.audio else audios[0].id
    return {"audiodev": f"audio{number}"}


def speaker(build: Build) -> dict[str, str]:
    """The machine's property that lets the PC speaker sound."""
    found = (
        backend(sound, build)["audiodev"] for sound in build.domain.devices.sounds if sound.model == "pcspk"
    )
    name = next(found, None)
    return {} if name is None else {"pcspk-audiodev": name}


def parts(sound: Sound, build: Build) -> Iterable[Part]:
    """The card; for HD Audio its codecs too. The PC speaker is an option of the machine."""
    if sound.model == "pcspk":
        return
    where = place(sound, build)
    if sound.model not in HDA:
        yield Device(CARDS[sound.model], sound.id, {**backend(sound, build), **where})
        return
    yield Device(CARDS[sound.model], sound.id, where)
    for number, codec in enumerate(sound.codecs or (Codec(type="duplex"),)):
        props = {"bus": f"{sound.id}.0", "cad": number, **backend(sound, build)}
        yield Device(f"hda-{codec.type}", f"{sound.id}-codec{number}", props)


def audio(device: Audio, build: Build) -> Iterable[Part]:
    """A backend with its two directions."""
    props = _given(device, WHOLE)
    for name, stream in (("in", device.input), ("out", device.output)):
        found = _stream(stream) if stream else {}
        props |= {name: found} if found else {}
    yield Audiodev(BACKENDS.get(device.type, device.type), f"audio{device.id}", props)


def _stream(stream: AudioStream) -> dict[str, Any]:
    return {**_given(stream, STREAM), **(_given(stream.settings, SETTINGS) if stream.settings else {})}


def _given(source: object, names: dict[str, str]) -> dict[str, Any]:
    values = {key: getattr(source, name) for key, name in names.items()}
    return {key: value for key, value in values.items() if value is not None}

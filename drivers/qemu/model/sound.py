"""``<sound>``, what the guest plays on, and ``<audio>``, where that goes on the host."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.qemu.model.graphics import AudioRef
from embervirt.drivers.xml import Element, attr, child, children, choice, integer, yes_no
from embervirt.errors import ConfigUnsupported, InternalError

_COUNT = integer(1, 2**32 - 1)
_NUMBER = integer(0, 2**32 - 1)


class Codec(Element, tag="codec"):
    """What hangs on an HD Audio controller: in and out, microphone and line-out, or out alone."""

    type: str = attr(
        "type", choice("duplex", "micro", "output", error=ConfigUnsupported), missing=ConfigUnsupported
    )


class Sound(Device, tag="sound"):
    model: str = attr(
        "model",
        choice(
            *("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb"),
            later=("ich7",),
            refused=InternalError,
        ),
    )
    codecs: tuple[Codec, ...] = children(Codec, default=())
    audio: AudioRef | None = child(AudioRef, default=None)


class AudioSettings(Element, tag="settings"):
    """Hertz, number of channels, format of a sample."""

    frequency: int | None = attr("frequency", _COUNT, default=None)
    channels: int | None = attr("channels", _COUNT, default=None)
    format: str | None = attr("format", choice("s8", "u8", "s16", "u16", "s32", "u32", "f32"), default=None)


class AudioStream(Element, tag="input"):
    """One direction. ``bufferLength`` is milliseconds (microseconds for jack and others of QEMU's)."""

    mixing_engine: bool | None = attr("mixingEngine", yes_no, default=None)
    fixed_settings: bool | None = attr("fixedSettings", yes_no, default=None)
    voices: int | None = attr("voices", _COUNT, default=None)
    buffer_length: int | None = attr("bufferLength", _COUNT, default=None)
    dev: str | None = attr("dev", default=None)
    buffer_count: int | None = attr("bufferCount", _NUMBER, default=None)
    try_poll: bool | None = attr("tryPoll", yes_no, default=None)
    name: str | None = attr("name", default=None)
    stream_name: str | None = attr("streamName", default=None)
    latency: int | None = attr("latency", _NUMBER, default=None)
    server_name: str | None = attr("serverName", default=None)
    client_name: str | None = attr("clientName", default=None)
    connect_ports: str | None = attr("connectPorts", default=None)
    exact_name: bool | None = attr("exactName", yes_no, default=None)
    settings: AudioSettings | None = child(AudioSettings, default=None)


class Audio(Element, tag="audio"):
    """``id`` is what sound cards and screens name; ``timerPeriod`` is microseconds."""

    id: int = attr("id", _COUNT)
    type: str = attr(
        "type",
        choice(
            *("none", "alsa", "coreaudio", "jack", "oss", "pulseaudio", "sdl", "file", "dbus"),
            later=("spice",),
        ),
    )
    timer_period: int | None = attr("timerPeriod", _COUNT, default=None)
    try_mmap: bool | None = attr("tryMMap", yes_no, default=None)
    exclusive: bool | None = attr("exclusive", yes_no, default=None)
    dsp_policy: int | None = attr("dspPolicy", integer(0, 2**31 - 1), default=None)
    server_name: str | None = attr("serverName", default=None)
    driver: str | None = attr("driver", default=None)
    path: str | None = attr("path", default=None)
    input: AudioStream | None = child(AudioStream, "input", default=None)
    output: AudioStream | None = child(AudioStream, "output", default=None)

"""Sound: a place for it to go, and codecs only where there can be some."""

from __future__ import annotations

from typing import Any

from embervirt.drivers.qemu.model.sound import Audio, AudioSettings, AudioStream, Sound
from embervirt.drivers.xml import replace

HDA = ("ich6", "ich9")
"""Cards that are HD Audio controllers."""

OWN: dict[str, tuple[str, ...]] = {
    "oss": ("try_mmap", "exclusive", "dsp_policy"),
    "pulseaudio": ("server_name",),
    "sdl": ("driver",),
    "file": ("path",),
}
STREAM: dict[str, tuple[str, ...]] = {
    "alsa": ("dev",),
    "coreaudio": ("buffer_count",),
    "jack": ("server_name", "client_name", "connect_ports", "exact_name"),
    "oss": ("dev", "buffer_count", "try_poll"),
    "pulseaudio": ("name", "stream_name", "latency"),
    "sdl": ("buffer_count",),
}
"""What a backend of each type has of its own, and what its two directions have."""


def _foreign(own: dict[str, tuple[str, ...]], type_: str) -> dict[str, Any]:
    """Nothing for each field that other types have."""
    return {name: None for names in own.values() for name in names if name not in own.get(type_, ())}


def complete(sound: Sound) -> Sound:
    """Codecs belong to HD Audio."""
    return sound if sound.model in HDA else replace(sound, codecs=())


def backends(audios: tuple[Audio, ...]) -> tuple[Audio, ...]:
    """Without a word all sound is dropped: QEMU would look for a sound server of the host."""
    return tuple(map(_backend, audios)) or (Audio(id=1, type="none"),)


def _backend(audio: Audio) -> Audio:
    return replace(
        audio,
        input=_stream(audio.input, audio.type),
        output=_stream(audio.output, audio.type),
        **_foreign(OWN, audio.type),
    )


def _stream(stream: AudioStream | None, type_: str) -> AudioStream | None:
    """Without what belongs to other types; fixed settings are there when they say nothing, too."""
    if stream is None:
        return None
    settings = stream.settings or (AudioSettings() if stream.fixed_settings else None)
    kept = replace(stream, settings=settings, **_foreign(STREAM, type_))
    kept = replace(kept, buffer_count=kept.buffer_count or None, latency=kept.latency or None)
    return kept if kept != AudioStream() else None

"""Sound cards and audio backends."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.sound import Audio, AudioStream
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, XmlError


def check(domain: Domain) -> None:
    """Backends that are there, once, with settings that QEMU takes."""
    devices = domain.devices
    ids = [audio.id for audio in devices.audios]
    twice = repeated(ids)
    if twice:
        raise XmlError(f"audio ID {twice} is used multiple times")
    named = [*(sound.audio for sound in devices.sounds), *(screen.audio for screen in devices.graphics)]
    for audio_ref in named:
        if audio_ref and audio_ref.id not in ids:
            raise XmlError(f"no audio device with ID {audio_ref.id}")
    for audio in devices.audios:
        _backend(audio)


def _backend(audio: Audio) -> None:
    for stream in (audio.input, audio.output):
        if stream:
            _stream(stream)


def _stream(stream: AudioStream) -> None:
    given = stream.settings
    if stream.fixed_settings and not stream.mixing_engine:
        raise ConfigUnsupported("fixed audio settings requires mixing engine")
    if given and not stream.fixed_settings:
        raise ConfigUnsupported("audio settings specified without fixed settings flag")

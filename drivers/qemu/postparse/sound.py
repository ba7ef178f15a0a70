"""Sound: a place for it to go, and codecs only where there can be some."""

from __future__ import annotations

from embervirt.drivers.qemu.model.sound import Audio, Sound
from embervirt.drivers.xml import replace

HDA = ("ich6", "ich9")
"""Cards that are HD Audio controllers."""


def complete(sound: Sound) -> Sound:
    """Codecs belong to HD Audio."""
    return sound if sound.model in HDA else replace(sound, codecs=())


def backends(audios: tuple[Audio, ...]) -> tuple[Audio, ...]:
    """Without a word all sound is dropped: QEMU would look for a sound server of the host."""
    return audios or (Audio(id=1, type="none"),)

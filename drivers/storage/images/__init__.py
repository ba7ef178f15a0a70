"""Images: what they say, and the programs that make and change them and their pools. Nothing is run here."""

from embervirt.drivers.images import Image, image_at, probe
from embervirt.drivers.storage.images.changing import Wiping, resize, wiping
from embervirt.drivers.storage.images.creating import (
    How,
    Keys,
    check_without_program,
    create,
    fill,
    how,
    image_format,
    onto,
    with_progress,
)
from embervirt.drivers.storage.images.encrypting import secret_id

__all__ = [
    "How",
    "Image",
    "Keys",
    "Wiping",
    "check_without_program",
    "create",
    "fill",
    "how",
    "image_at",
    "image_format",
    "onto",
    "probe",
    "resize",
    "secret_id",
    "wiping",
    "with_progress",
]

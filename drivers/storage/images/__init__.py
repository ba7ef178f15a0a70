"""Images: what they say, and the programs that make, fill and change them. Nothing is run here."""

from embervirt.drivers.images import Image, image_at, probe

__all__ = ["Image", "image_at", "probe"]

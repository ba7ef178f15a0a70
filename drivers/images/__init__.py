"""What image files say of themselves: read in process, a few hundred bytes of each. All drivers may."""

from embervirt.drivers.images.image import Image
from embervirt.drivers.images.probing import HEAD, detect, image_at, open_data, probe

__all__ = ["HEAD", "Image", "detect", "image_at", "open_data", "probe"]

"""What image files say of themselves: read in process, a few hundred bytes of each. No driver; all may use it."""

from embervirt.drivers.images.image import Image
from embervirt.drivers.images.probing import HEAD, detect, image_at, probe

__all__ = ["HEAD", "Image", "detect", "image_at", "probe"]

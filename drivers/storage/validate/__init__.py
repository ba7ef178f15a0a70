"""Rules of the XML of pools and volumes; each module has one subject."""

from embervirt.drivers.storage.validate.pool import served, validate_pool
from embervirt.drivers.storage.validate.volume import validate_volume

__all__ = ["served", "validate_pool", "validate_volume"]

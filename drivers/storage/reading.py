"""From XML to checked, complete pools and volumes; pure, for any thread."""

from __future__ import annotations

from embervirt.drivers.storage.errors import VIR_FROM_STORAGE
from embervirt.drivers.storage.model import Pool, Volume
from embervirt.drivers.storage.postparse import postparse_pool, postparse_volume
from embervirt.drivers.storage.validate import validate_pool, validate_volume
from embervirt.drivers.xml import parse
from embervirt.errors import errors_of


def read_pool(xml: str | bytes, *, strict: bool = False) -> Pool:
    """A complete pool of any kind, with a new UUID when it names none; ``validate.served`` says if it is run.

    ``strict``: unknown elements and attributes are errors. Raises XmlError and its leaves, the errors of
    ``validate_pool``, SchemaError, NumericalOverflow.
    """
    with errors_of(VIR_FROM_STORAGE):
        pool = postparse_pool(parse(Pool, xml, strict=strict))
        validate_pool(pool)
        return pool


def read_volume(xml: str | bytes, pool: Pool, *, strict: bool = False, clone: bool = False) -> Volume:
    """A complete volume of ``pool``, path and key as the XML has them: ``postparse.placed`` gives others.

    ``clone``: it is made from another, whose capacity counts when it has none. Raises as
    ``read_pool`` and ``validate_volume``.
    """
    with errors_of(VIR_FROM_STORAGE):
        volume = postparse_volume(parse(Volume, xml, strict=strict), pool)
        validate_volume(volume, pool, clone=clone)
        return volume

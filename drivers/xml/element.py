"""``Element``: a class is an XML element, a line is a field.

::

    class Usage(Element, tag="usage"):
        type: str = attr("type", choice("volume", "ceph"))
        name: str | None = text("name", default=None)

The class becomes a frozen, keyword-only dataclass (type checkers know it by PEP 681). Fields are
written in their order, attributes before children. Class keywords: ``tag``; ``refuse``, names that
libvirt knows and that are not served here (``"graphics"``, ``"@snapshot"``, ``"{namespace}name"``)
and raise ConfigUnsupported; ``closed``, which makes every undeclared child such a name; ``nested``,
the child that a ``nested`` field of its parent reads.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from embervirt.drivers.xml.fields import (
    KEY,
    amount,
    attr,
    beside,
    byte_size,
    child,
    children,
    content,
    flag,
    foreign,
    nested,
    raw,
    size,
    text,
    variant,
)
from embervirt.drivers.xml.schema import Schema, fill

E = TypeVar("E", bound="Element")


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(
        attr,
        text,
        content,
        size,
        child,
        children,
        flag,
        raw,
        foreign,
        variant,
        amount,
        beside,
        byte_size,
        nested,
    ),
)
class Element:
    """Base of every class that stands for an XML element."""

    __schema__: ClassVar[Schema]

    def __init__(self, **values: Any) -> None:
        schema = self.__schema__
        if not schema.names.issuperset(values):
            raise _unknown(schema, values)
        if schema.required and not values.keys() >= schema.required:
            missing = ", ".join(sorted(schema.required - values.keys()))
            raise TypeError(f"{schema.cls.__name__} lacks {missing}")
        fill(self, "__dict__", values)

    def __init_subclass__(
        cls,
        *,
        tag: str,
        refuse: tuple[str, ...] = (),
        closed: bool = False,
        nested: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True, init=False)(cls)
        declared = _own_first(cls)
        cls.__schema__ = Schema(
            cls=cls,
            tag=tag,
            bindings={item.name: item.metadata[KEY] for item in declared},
            required=frozenset(item.name for item in declared if item.default is dataclasses.MISSING),
            defaults={i.name: i.default for i in declared if i.default is not dataclasses.MISSING},
            refuse=frozenset(refuse),
            closed=closed,
            nested=nested,
        )


def _own_first(cls: type) -> list[dataclasses.Field[Any]]:
    """A class's own fields before the inherited: what every device has stands last, as in libvirt's XML."""
    own = inspect.get_annotations(cls)
    return sorted(dataclasses.fields(cls), key=lambda item: item.name not in own)


def _unknown(schema: Schema, values: dict[str, Any]) -> TypeError:
    return TypeError(f"{schema.cls.__name__} has no field {', '.join(sorted(values.keys() - schema.names))}")


if TYPE_CHECKING:  # type checkers know what this function is
    from dataclasses import replace as replace
else:

    def replace(value: E, /, **changes: Any) -> E:
        """As ``dataclasses.replace``, for an Element; it costs what the object holds, not all its fields."""
        if not value.__schema__.names.issuperset(changes):
            raise _unknown(value.__schema__, changes)
        made = object.__new__(type(value))
        fill(made, "__dict__", value.__dict__ | changes)
        return made

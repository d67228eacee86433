"""Structs as objects with named fields, also structs that are otherwise encoded as arrays."""

from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeVar, get_args

import msgspec

AS_THEY_ARE: Final = (Decimal,)
"""Types that the caller encodes; msgspec would turn them into strings."""

StructType = TypeVar("StructType", bound=msgspec.Struct)


def by_name(value: object) -> object:
    """A struct as a mapping of field names to values."""
    if isinstance(value, msgspec.Struct):
        return {name: by_name(getattr(value, name)) for name in value.__struct_fields__}
    return value


def from_names(kind: type[StructType], fields: dict[str, Any]) -> StructType:
    """The inverse of `by_name`; names that the struct does not have are ignored.

    Raises:
        TypeError: A field is missing.
        msgspec.ValidationError: A value does not fit its field.
    """
    values: dict[str, object] = {}
    for name, annotation, struct in _fields_of(kind):
        if name not in fields:
            continue
        value = fields[name]
        values[name] = (
            from_names(struct, value)
            if struct is not None and isinstance(value, dict)
            else msgspec.convert(value, annotation, builtin_types=AS_THEY_ARE)
        )
    return kind(**values)


@cache
def _fields_of(
    kind: type[msgspec.Struct],
) -> tuple[tuple[str, Any, type[msgspec.Struct] | None], ...]:
    """A struct's fields: name, type, and the struct that it allows, if any."""
    return tuple(
        (field.name, field.type, _struct_of(field.type)) for field in msgspec.structs.fields(kind)
    )


def _struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that a field's type allows, if any."""
    for allowed in (kind, *get_args(kind)):
        if isinstance(allowed, type) and issubclass(allowed, msgspec.Struct):
            return allowed
    return None

"""Custom properties (spec/ingestion.md §7)."""

import math
from typing import Any, Final

from ingest.model.event import Props
from ingest.request.json_text import read_json

PROPS_LIMIT: Final = 30
KEY_BYTES: Final = 300
VALUE_BYTES: Final = 2000

_LARGEST_BITS: Final = 6700
"""More than any number of `VALUE_BYTES` digits has. Writing numbers out takes time in proportion to
the square of their digits, so those that are too long anyway are not."""

_TOO_LONG: Final = "9" * (VALUE_BYTES + 1)

PATH_SYNCED_EVENTS: Final = frozenset({"404", "WP Form Completions", "Form: Submission"})
"""Events whose page is what matters, so it becomes a property (spec/ingestion.md §6)."""


class PropsTooLong(ValueError):  # noqa: N818
    """A key has more than `KEY_BYTES` or a value more than `VALUE_BYTES`."""


def object_of(value: object) -> dict[str, Any] | None:
    """The object that a field holds, as it is or as JSON in a string; None for anything else."""
    if isinstance(value, str):
        try:
            value = read_json(value.encode("utf-8", "surrogatepass"))
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def parse_props(value: object, event_name: str, pathname: str) -> Props:
    """Make properties of what a client sent.

    Pairs whose key or value is blank, and values that are lists or objects, are left out; numbers
    and booleans become text. Of more than `PROPS_LIMIT` pairs those with the greatest keys stay.

    Args:
        value: An object, or a string that holds one; anything else makes no properties.
        event_name: Some events get the property `path`.
        pathname: Its value.

    Raises:
        PropsTooLong: A pair that would be stored is too long.
    """
    values = object_of(value) or {}
    if not values and event_name not in PATH_SYNCED_EVENTS:
        return ()
    keys = [
        key
        for key, raw in values.items()
        if key.strip() and (raw.strip() if isinstance(raw, str) else _is_number(raw))
    ]
    if event_name in PATH_SYNCED_EVENTS and "path" not in keys and len(keys) < PROPS_LIMIT:
        keys.append("path")
        values = {**values, "path": pathname}
    keys.sort()
    props = []
    for key in keys[-PROPS_LIMIT:]:
        raw = values[key]
        text = raw if isinstance(raw, str) else _number_text(raw)
        # A code point has at most four bytes.
        if (len(key) > KEY_BYTES // 4 and _bytes(key) > KEY_BYTES) or (
            len(text) > VALUE_BYTES // 4 and _bytes(text) > VALUE_BYTES
        ):
            raise PropsTooLong
        props.append((key, text))
    return tuple(props)


def _is_number(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _number_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= _LARGEST_BITS else _TOO_LONG
    return _float_text(value)


def _float_text(value: object) -> str:
    """The shortest form that reads back the same, always with a decimal point (`1.0e22`)."""
    mantissa, exponent, power = repr(value).partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}e{int(power)}" if exponent else mantissa


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

"""Custom properties (spec/ingestion.md §7)."""

import math
from typing import Any, Final

from pydantic_core import from_json

from ingest.event import Props

PROPS_LIMIT: Final = 30
KEY_BYTES: Final = 300
VALUE_BYTES: Final = 2000

PATH_SYNCED_EVENTS: Final = frozenset({"404", "WP Form Completions", "Form: Submission"})
"""Events whose page is what matters, so it becomes a property (spec/ingestion.md §6)."""


class PropsTooLong(ValueError):  # noqa: N818
    """A key has more than `KEY_BYTES` or a value more than `VALUE_BYTES`."""


def object_of(value: object) -> dict[str, Any] | None:
    """The object that a field holds, as it is or as JSON in a string; None for anything else."""
    if isinstance(value, str):
        try:
            value = from_json(value.encode("utf-8", "surrogatepass"), allow_inf_nan=False)
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
    pairs = [
        (key, text)
        for key, raw in (object_of(value) or {}).items()
        if key.strip() and (text := _text(raw)) is not None
    ]
    if len(pairs) > 1:
        pairs.sort()
    if event_name in PATH_SYNCED_EVENTS and all(key != "path" for key, _ in pairs):
        pairs.insert(0, ("path", pathname))
    kept = pairs[-PROPS_LIMIT:]
    for key, text in kept:
        if _bytes(key) > KEY_BYTES or _bytes(text) > VALUE_BYTES:
            raise PropsTooLong
    return tuple(sorted(kept))


def _text(value: object) -> str | None:
    match value:
        case str():
            return value if value.strip() else None
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return _float_text(value)
    return None


def _float_text(value: float) -> str:
    """The shortest form that reads back the same, always with a decimal point (`1.0e22`)."""
    mantissa, exponent, power = repr(value).partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}e{int(power)}" if exponent else mantissa


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

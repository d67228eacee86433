"""Selects the fields of an event on the wire, and validates them."""

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from ingest.model.event import ENGAGEMENT
from ingest.request.event_fields import EventFields
from ingest.request.field_values import (
    read_domains,
    read_event_name,
    read_hash_mode,
    read_page,
    read_referrer,
)
from ingest.request.url import PageURL, parse_url

SYSTEM_EVENTS: Final = frozenset(
    {
        "pageview",
        ENGAGEMENT,
        "Outbound Link: Click",
        "Cloaked Link: Click",
        "File Download",
        "404",
        "WP Form Completions",
        "Form: Submission",
    }
)
"""Events that are interactive whatever the client says (spec/ingestion.md §6)."""

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "event_name": ("n", "name"),
    "url": ("u", "url"),
    "domains": ("d", "domain"),
    "referrer": ("r", "referrer"),
    "hash_mode": ("h", "hashMode"),
    "props": ("m", "meta", "p", "props"),
    "revenue": ("revenue", "$"),
    "tracker_version": ("v",),
    "scroll_depth": ("sd",),
    "engagement_time": ("e",),
}
"""The keys of each field, in the order in which they are tried (spec/ingestion.md §2)."""

INTERACTIVE_KEYS: Final = ("i", "interactive")

_TRACKER_KEYS: Final = {field: keys[0] for field, keys in ALIASES.items()} | {
    "props": "p",
    "revenue": "$",
    "interactive": "i",
}
"""The key under which trackers send each field."""

_OTHER_KEYS: Final = frozenset(
    {key for keys in (*ALIASES.values(), INTERACTIVE_KEYS) for key in keys}
    - set(_TRACKER_KEYS.values())
)

_STAND_INS: Final[dict[str, object]] = {
    "event_name": "?",
    "url": "",
    "domains": "?",
    "hash_mode": 0,
}
"""Stand-ins for invalid fields, so that the others can still be validated."""

_ERROR_KEYS: Final = {"domains": "domain"}


Values = tuple[str, PageURL, tuple[str, ...] | None, str | None, int, Any, Any, bool]
"""The fields, in the order of `EventFields`, without the numbers that are never wrong."""


def read_fields(body: dict[str, Any]) -> tuple[Values, dict[str, list[str]]]:
    """Select and validate the fields; reports all mistakes.

    Returns:
        The fields, with stand-ins for those that are wrong, and the messages by field
        (spec/ingestion.md §3).
    """
    try:
        return _check(body if _OTHER_KEYS.isdisjoint(body) else _choose(body)), {}
    except PydanticCustomError:
        fields, errors = look_for_mistakes(body)
        return _values(fields), errors


def _choose(body: dict[str, Any]) -> dict[str, Any]:
    """Select each field's value, by the key of trackers; `null` and `false` are none."""
    chosen: dict[str, Any] = {}
    for field, keys in ALIASES.items():
        for key in keys:
            value = body.get(key)
            if value is not None and value is not False:
                chosen[_TRACKER_KEYS[field]] = value
                break
    for key in INTERACTIVE_KEYS:
        if isinstance(body.get(key), bool):
            chosen["i"] = body[key]
            break
    return chosen


def _check(chosen: dict[str, Any]) -> Values:
    """Validate as the model does, but much faster: up to the first mistake.

    Args:
        chosen: Values by the keys of trackers. `null` and `false` may be there.

    Raises:
        PydanticCustomError: The first mistake.
    """
    get = chosen.get
    name, referrer, hash_mode = get("n"), get("r"), get("h")
    return (
        name if type(name) is str and name in SYSTEM_EVENTS else read_event_name(name),
        read_page(get("u")),
        read_domains(get("d")),
        None if referrer is None else read_referrer(referrer),
        0 if hash_mode is None else read_hash_mode(hash_mode),
        get("p"),
        get("$"),
        get("i") is not False,
    )


def look_for_mistakes(body: dict[str, Any]) -> tuple[EventFields, dict[str, list[str]]]:
    """Validate with the model, which finds them all. Returns as `read_fields`."""
    chosen = _choose(body)
    values = {field: chosen[key] for field, key in _TRACKER_KEYS.items() if key in chosen}
    errors: dict[str, list[str]] = {}
    try:
        return EventFields.model_validate(values), errors
    except ValidationError as error:
        for mistake in error.errors(include_url=False, include_context=False, include_input=False):
            field = str(mistake["loc"][0])
            values[field] = _STAND_INS[field]
            errors.setdefault(_ERROR_KEYS.get(field, field), []).append(mistake["msg"])
        return EventFields.model_validate(values), errors


def _values(fields: EventFields) -> Values:
    return (
        fields.event_name,
        parse_url(fields.url),
        fields.domains,
        fields.referrer,
        fields.hash_mode,
        fields.props,
        fields.revenue,
        fields.interactive,
    )

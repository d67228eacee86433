"""Validates the fields of an event."""

from typing import Any, Final

import msgspec
from pydantic import ValidationError

from ingest.model.event import ENGAGEMENT
from ingest.request.event_fields import EventFields
from ingest.request.field_values import (
    read_domains,
    read_event_name,
    read_hash_mode,
    read_page,
    read_referrer,
)
from ingest.request.sent_event import SentEvent
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


def read_fields(sent: SentEvent) -> Values:
    """Validate as the model does, but much faster: up to the first mistake.

    Raises:
        PydanticCustomError: The first mistake.
    """
    name, referrer, hash_mode = sent.event_name, sent.referrer, sent.hash_mode
    return (
        name if type(name) is str and name in SYSTEM_EVENTS else read_event_name(name),
        read_page(sent.url),
        read_domains(sent.domains),
        None if referrer is None else read_referrer(referrer),
        0 if hash_mode is None else read_hash_mode(hash_mode),
        sent.props,
        sent.revenue,
        sent.interactive is not False,
    )


def find_mistakes(sent: SentEvent) -> tuple[EventFields, dict[str, list[str]]]:
    """Validate with the model, which finds all mistakes.

    Returns:
        The fields, with stand-ins for those that are wrong, and the messages by field
        (spec/ingestion.md §3).
    """
    values: dict[str, object] = {
        field: value
        for field, value in msgspec.structs.asdict(sent).items()
        if value is not None and value is not False
    }
    values["interactive"] = sent.interactive is not False
    errors: dict[str, list[str]] = {}
    try:
        return EventFields.model_validate(values), errors
    except ValidationError as error:
        for mistake in error.errors(include_url=False, include_context=False, include_input=False):
            field = str(mistake["loc"][0])
            values[field] = _STAND_INS[field]
            errors.setdefault(_ERROR_KEYS.get(field, field), []).append(mistake["msg"])
        return EventFields.model_validate(values), errors


def values_of(fields: EventFields) -> Values:
    """The model's fields, as `read_fields` returns them."""
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

"""What was understood of a request: its form, its keys, its fields."""

from typing import Any, Final

import msgspec

from ingest.model.event import EventRequest
from ingest.observation.event_summary import cut
from ingest.request.body import media_type, parse_body, reads_raw
from ingest.request.fields import find_mistakes
from ingest.request.invalid import Errors, InvalidRequest
from ingest.request.sent_event import ALIASES, INTERACTIVE_KEYS, select

KEYS_SHOWN: Final = 50
KEY_LENGTH: Final = 60
"""Of keys that mean nothing; a body may have a hundred thousand."""

_FIELDS: Final = {
    **{key: field for field, keys in ALIASES.items() for key in keys},
    **dict.fromkeys(INTERACTIVE_KEYS, "interactive"),
}
_NOT_SHOWN: Final = ("client_ip", "user_agent", "received", "ip_type")


def describe_body(content_type: str | None, body: bytes) -> dict[str, Any]:
    """How a body is read, whatever is in it."""
    kind = media_type(content_type)
    if reads_raw(content_type):
        form = "JSON, whatever its type"
    else:
        form = "a form" if "form" in kind else "JSON"
    return {"content_type": cut(kind, KEY_LENGTH), "bytes": len(body), "read_as": form}


def describe_keys(content_type: str | None, body: bytes) -> dict[str, Any]:
    """Which keys mean something, and which do not; empty for a body that cannot be read."""
    try:
        params = parse_body(content_type, body)
    except InvalidRequest:
        return {}
    ignored = [cut(key, KEY_LENGTH) for key in params if key not in _FIELDS]
    return {
        "keys": {key: field for key, field in _FIELDS.items() if key in params},
        "keys_ignored": ignored[:KEYS_SHOWN],
    }


def describe_request(request: EventRequest) -> dict[str, Any]:
    """The fields of a valid request, without address and user agent."""
    fields: dict[str, Any] = msgspec.to_builtins(request)
    for name in _NOT_SHOWN:
        del fields[name]
    return {**fields, "props": dict(request.props)}


def describe_mistakes(content_type: str | None, body: bytes, errors: Errors) -> dict[str, Any]:
    """What was understood of a request that is refused: the fields without a mistake.

    Args:
        content_type: The header; None when absent.
        body: The body.
        errors: What is wrong.
    """
    try:
        params = parse_body(content_type, body)
    except InvalidRequest:
        return describe_body(content_type, body)
    fields, mistaken = find_mistakes(select(params))
    sound = fields.model_dump(
        exclude={"domains" if field == "domain" else field for field in {*errors, *mistaken}},
        exclude_defaults=True,
        mode="json",
    )
    return {
        **describe_body(content_type, body),
        **describe_keys(content_type, body),
        "fields": sound,
    }

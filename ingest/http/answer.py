"""Answers to a request, before any server's own form of them."""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"

CORS_HEADERS: Final = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "x-plausible-dropped, retry-after, x-request-id"),
)
"""In every answer: any page may send events and read what became of them."""


FIRST_ERROR: Final = 400
"""The lowest status of answers that say which request they are for."""


class Answer(msgspec.Struct, frozen=True):
    """What a client is told.

    Attributes:
        status: HTTP status code.
        body: Content.
        content_type: Its type.
        headers: Further headers, lower case, without those that every answer has.
        reasons: Why events were dropped; for the log, not for the client.
    """

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()
    reasons: tuple[str, ...] = ()


def answer_json(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(content).encode(), JSON, tuple((headers or {}).items()))


def answer_error(
    status: int, field: str, message: str, headers: Mapping[str, str] | None = None
) -> Answer:
    """An error in the form of the endpoint's validation errors (spec/ingestion.md §3)."""
    return answer_json(status, {"errors": {field: [message]}}, headers)

"""Answers to requests, independent of the server that sends them."""

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
"""Headers of every answer: any page may send events and read the results."""


FIRST_ERROR: Final = 400
"""The lowest status of errors, which have the id of their request."""


class Answer(msgspec.Struct, frozen=True):
    """The answer to a request.

    Attributes:
        status: HTTP status code.
        body: The raw body.
        content_type: The body's media type.
        headers: Further headers, in lower case, except those of every answer.
        reasons: Why events were dropped; for the log, not for the client.
    """

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()
    reasons: tuple[str, ...] = ()


def answer_json(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, json.dumps(content).encode(), JSON, tuple((headers or {}).items()))


def answer_error(
    status: int, field: str, message: str, headers: Mapping[str, str] | None = None
) -> Answer:
    """Return an error in the format of the endpoint's validation errors (spec/ingestion.md §3)."""
    return answer_json(status, {"errors": {field: [message]}}, headers)

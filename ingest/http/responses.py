"""Responses in the few forms that the application gives."""

import json
from collections.abc import Mapping
from typing import Any

from quart import Response

from ingest.http.answer import TEXT, Answer, answer_error

PREFLIGHT_HEADERS = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "*, authorization, content-type",
    "access-control-max-age": "86400",
}
"""Any page may send events, and its browser need not ask again for a day."""


MAX_OFFERS = 32
"""Media types looked at in an `Accept` header; browsers name fewer than ten."""


def text(
    status: int,
    body: str | bytes,
    headers: Mapping[str, str],
    content_type: str = TEXT,
) -> Response:
    """A plain response."""
    return Response(body, status, {**headers, "content-type": content_type})


def respond(answer: Answer) -> Response:
    """An answer as Quart sends it."""
    return text(answer.status, answer.body, dict(answer.headers), answer.content_type)


def empty(status: int, headers: Mapping[str, str]) -> Response:
    """A response without a body."""
    response = Response(b"", status, dict(headers))
    response.headers.pop("content-type", None)
    return response


def json_response(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return text(status, json.dumps(content), headers or {}, "application/json")


def error(
    status: int, field: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An error in the form of the endpoint's validation errors (spec/ingestion.md §3)."""
    return respond(answer_error(status, field, message, headers))


def accepts_json(accept: str | None) -> bool:
    """Whether a client takes JSON: it does when it does not say (spec/ingestion.md §1)."""
    if accept is None or accept == "*/*" or not accept.strip():
        return True
    for offer in accept.split(",", MAX_OFFERS)[:MAX_OFFERS]:
        media_type, *parameters = (part.strip().lower() for part in offer.split(";"))
        if any(parameter in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters):
            continue
        if media_type in ("*/*", "application/*", "application/json") or media_type.endswith(
            "+json"
        ):
            return True
    return False

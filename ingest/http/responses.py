"""Creates the application's responses."""

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
"""Headers that let any page send events; browsers cache them for a day."""


MAX_OFFERS = 32
"""Maximum number of media types read from an `Accept` header; browsers send fewer than ten."""


def text(
    status: int,
    body: str | bytes,
    headers: Mapping[str, str],
    content_type: str = TEXT,
) -> Response:
    """Return a response with a body."""
    return Response(body, status, {**headers, "content-type": content_type})


def respond(answer: Answer) -> Response:
    """Return an answer as a Quart response."""
    return text(answer.status, answer.body, dict(answer.headers), answer.content_type)


def empty(status: int, headers: Mapping[str, str]) -> Response:
    """Return a response without a body."""
    response = Response(b"", status, dict(headers))
    response.headers.pop("content-type", None)
    return response


def json_response(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return text(status, json.dumps(content), headers or {}, "application/json")


def error(
    status: int, field: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error in the format of the endpoint's validation errors (spec/ingestion.md §3)."""
    return respond(answer_error(status, field, message, headers))


def accepts_json(accept: str | None) -> bool:
    """Whether a client accepts JSON; true without an `Accept` header (spec/ingestion.md §1)."""
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

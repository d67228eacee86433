"""Creates the application's responses."""

import json
from collections.abc import Mapping
from typing import Any

from quart import Response

from ingest.http.answer import TEXT, Answer, answer_error

_PREFLIGHT_HEADERS = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "*, authorization, content-type",
    "access-control-max-age": "86400",
    "vary": "origin",
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


def preflight(origin: str | None) -> Response:
    """Return the answer to a page that asks whether it may send events.

    Every page may. Its origin is named, and credentials are allowed, because browsers send a
    `navigator.sendBeacon` with a JSON body only then. Nothing reads cookies, and no page may read
    an answer to a request with credentials.

    Args:
        origin: The page's origin, from the request; None if it names none, or on a route that
            takes no events.
    """
    if origin is None:
        return empty(204, {**_PREFLIGHT_HEADERS, "access-control-allow-origin": "*"})
    return empty(
        204,
        {
            **_PREFLIGHT_HEADERS,
            "access-control-allow-origin": origin,
            "access-control-allow-credentials": "true",
        },
    )


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

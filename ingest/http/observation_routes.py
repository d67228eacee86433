"""The routes that show single events: the last drops, and live events."""

import math
from collections.abc import Set
from typing import Final

from quart import Response, request
from quart_trio import QuartTrio

from actors.observation.broadcast import WAITING, Broadcast
from actors.pipeline.intake import RETRY_AFTER_SECONDS
from ingest.http.live.event_stream import EventStream, head_response, stream_response
from ingest.http.operator import Operator
from ingest.http.responses import error, json_response
from ingest.model.verdict import DropReason
from ingest.observation.event_filter import EventFilter, filter_for
from ingest.observation.event_summary import as_json
from ingest.pipeline.reference import Reference

DROPS_SHOWN: Final = 100
DROPS_LIMIT: Final = 1000

_KINDS: Final = frozenset({"accepted", "dropped"})
_REASONS: Final = frozenset(DropReason)
_NUMBER_DIGITS: Final = 19


def add_observation_routes(
    app: QuartTrio, broadcast: Broadcast, reference: Reference, operator: Operator
) -> None:
    """Add the routes.

    Args:
        app: The application.
        broadcast: Provides the events.
        reference: Has the site registry.
        operator: Checks the client.
    """

    @app.get("/api/drops")
    async def drops() -> Response:
        refusal = operator.refusal()
        if refusal is not None:
            return refusal
        limit = _whole_number(request.args.get("limit"), DROPS_SHOWN, DROPS_LIMIT)
        if limit is None:
            return error(400, "limit", f"expected a whole number from 0 to {DROPS_LIMIT}")
        recent = broadcast.recent
        event_filter = _event_filter(reference, {"dropped"})
        if isinstance(event_filter, Response):
            return event_filter
        found = recent.drops(event_filter.matches)[:limit]
        totals = {reason.value: count for reason, count in recent.dropped.most_common()}
        report = {
            "drops": [as_json(summary) for summary in found],
            "since": recent.since,
            "dropped_since": totals,
        }
        return json_response(200, report, {"cache-control": "no-store"})

    @app.get("/api/live")
    async def live() -> Response:
        refusal = operator.refusal()
        if refusal is not None:
            return refusal
        kinds = {kind.strip() for kind in request.args.get("kind", "").split(",")} - {""} or _KINDS
        if not kinds <= _KINDS:
            return error(400, "kind", "expected accepted, dropped or both, separated by a comma")
        event_filter = _event_filter(reference, kinds)
        if isinstance(event_filter, Response):
            return event_filter
        replay = _whole_number(request.args.get("replay"), 0, WAITING)
        if replay is None:
            return error(400, "replay", f"expected a whole number from 0 to {WAITING}")
        if broadcast.full:
            retry = {"retry-after": str(RETRY_AFTER_SECONDS)}
            return error(503, "request", "Too many follow already, try again later", retry)
        if request.method == "HEAD":
            return head_response()
        stream = EventStream(broadcast, event_filter, after=_last_seen(), replay=replay)
        return stream_response(stream)


def _event_filter(reference: Reference, kinds: Set[str]) -> EventFilter | Response:
    """Return the filter that the client asks for, or the answer to an unknown reason."""
    reason = request.args.get("reason") or None
    if reason is not None and reason not in _REASONS:
        return error(400, "reason", "expected a reason of drops, such as bot")
    return filter_for(
        reference,
        request.args.get("site") or None,
        accepted="accepted" in kinds,
        dropped="dropped" in kinds,
        reason=None if reason is None else DropReason(reason),
    )


def _last_seen() -> float:
    """Return the number of the client's last event before it reconnected; infinity if unknown."""
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isdecimal() and len(text) <= _NUMBER_DIGITS else math.inf


def _whole_number(text: str | None, default: int, largest: int) -> int | None:
    """Return a parameter's value; None if it is not a whole number from 0 to `largest`."""
    if not text:
        return default
    if not text.isdecimal() or len(text) > _NUMBER_DIGITS or int(text) > largest:
        return None
    return int(text)

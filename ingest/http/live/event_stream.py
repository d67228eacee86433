"""Live events as server-sent events (WHATWG HTML §9.2)."""

import json
import math
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

import trio
from quart import Response
from quart.wrappers.response import ResponseBody

from actors.observation.broadcast import Broadcast, Follower, Missed, TooManyFollowersError
from ingest.http.responses import text
from ingest.observation.event_filter import EventFilter
from ingest.observation.event_summary import EventSummary, as_json

CONTENT_TYPE: Final = "text/event-stream; charset=utf-8"

HEARTBEAT_SECONDS: Final = 10.0
"""Interval of comments while no events come, so that both ends notice a broken connection."""

RETRY_MILLISECONDS: Final = 2000
"""How long a browser waits before it connects again."""

_HEAD: Final = b"retry: %d\n\n" % RETRY_MILLISECONDS
_HEARTBEAT: Final = b": still here\n\n"


class EventStream(ResponseBody):
    """A response that continues until its client disconnects or the server stops."""

    def __init__(
        self,
        broadcast: Broadcast,
        event_filter: EventFilter,
        *,
        after: float = math.inf,
        replay: int = 0,
    ) -> None:
        """Create a stream, which follows the broadcast once the response has begun.

        Args:
            broadcast: The broadcast to follow.
            event_filter: Which events to show.
            after: As in `Broadcast.follow`.
            replay: As in `Broadcast.follow`.
        """
        self._broadcast = broadcast
        self._event_filter = event_filter
        self._after = after
        self._replay = replay
        self._following = ExitStack()
        self._follower: Follower | None = None
        self._begun = False

    async def __aenter__(self) -> Self:
        following = self._broadcast.follow(
            self._event_filter, after=self._after, replay=self._replay
        )
        try:
            self._follower = self._following.enter_context(following)
        except TooManyFollowersError:
            self._follower = None  # other clients were faster: the stream ends at once
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._following.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._follower is None:
            raise StopAsyncIteration
        if not self._begun:
            self._begun = True
            return _HEAD
        with trio.move_on_after(HEARTBEAT_SECONDS):
            found = await self._follower.next()
            if not found:
                raise StopAsyncIteration
            return encode(found)
        return _HEARTBEAT


def stream_response(stream: EventStream) -> Response:
    """Return a response that sends a stream, without a time limit."""
    headers = {"content-type": CONTENT_TYPE, "cache-control": "no-store", "x-accel-buffering": "no"}
    response = Response(stream, 200, headers)
    response.timeout = None
    return response


def head_response() -> Response:
    """Return the response to a `HEAD` request for a stream."""
    return text(200, b"", {"cache-control": "no-store"}, CONTENT_TYPE)


def encode(found: Sequence[EventSummary | Missed]) -> bytes:
    """Encode events as server-sent events."""
    return "".join(map(_encode, found)).encode()


def _encode(one: EventSummary | Missed) -> str:
    if isinstance(one, Missed):
        return f"event: missed\ndata: {json.dumps({'missed': one.events})}\n\n"
    kind = "accepted" if one.reason is None else "dropped"
    return f"event: {kind}\nid: {one.number}\ndata: {json.dumps(as_json(one))}\n\n"

"""Which requests wait, and which one is the next to start."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from ingest.http.answer import Answer
from ingest.http.event_endpoint import FLOODED, NOT_ACCEPTABLE, OVERLOADED, ROOM_SECONDS
from ingest.http.fast_path.connection import Connection
from ingest.http.fast_path.request_head import RequestHead
from ingest.http.fast_path.waiting_lines import WaitingLines

FLOOD = Answer(FLOODED, b"")


class Lines:
    def __init__(self) -> None:
        self.endpoint = SimpleNamespace(is_closed=False)
        self.batches = SimpleNamespace(has_room=True)
        self.all = WaitingLines(cast("Any", self.endpoint), cast("Any", self.batches))

    def take(self, refusal: Answer, *, has_room: bool = False) -> Connection | None:
        connection = cast("Connection", SimpleNamespace(busy=False, has_waited=False))
        waits = self.all.take(connection, refusal, has_room=has_room, now=trio.current_time())
        assert connection.busy is waits
        return connection if waits else None

    def next(self, *, has_room: bool = False) -> Connection | None:
        line = self.all.next(has_room=has_room)
        if line is None:
            return None
        connection = line.leave()
        assert (connection.busy, connection.has_waited) == (False, True)
        return connection


@pytest.mark.parametrize(
    ("refusal", "has_room", "waits", "waits_for_room"),
    [
        pytest.param(OVERLOADED, False, True, True, id="no room"),
        pytest.param(OVERLOADED, True, True, True, id="a small batch behind others"),
        pytest.param(FLOOD, True, True, False, id="a flood"),
        pytest.param(NOT_ACCEPTABLE, True, False, False, id="no wait helps"),
    ],
)
async def test_who_waits(
    autojump_clock: MockClock, refusal: Answer, has_room: bool, waits: bool, waits_for_room: bool
) -> None:
    lines = Lines()
    assert (lines.take(refusal, has_room=has_room) is not None) is waits
    assert lines.all.anyone_waits() is waits
    assert lines.all.anyone_waits_for_room() is waits_for_room


async def test_nobody_waits_twice_or_for_a_server_that_stops(autojump_clock: MockClock) -> None:
    lines = Lines()
    waited = lines.take(OVERLOADED)
    assert waited is not None
    assert lines.next(has_room=True) is waited
    assert not lines.all.take(waited, OVERLOADED, has_room=False, now=trio.current_time())
    lines.endpoint.is_closed = True
    assert lines.take(OVERLOADED) is None
    assert not lines.all.anyone_waits()


async def test_the_order(autojump_clock: MockClock) -> None:
    lines = Lines()
    batch = lines.take(OVERLOADED, has_room=True)
    first, second = lines.take(OVERLOADED), lines.take(OVERLOADED)
    assert lines.next() is None
    lines.batches.has_room = False
    assert lines.next(has_room=True) is first
    lines.batches.has_room = True
    assert lines.next(has_room=True) is batch
    assert lines.next(has_room=True) is second
    assert lines.next(has_room=True) is None


async def test_those_who_have_waited_leave_without_room(autojump_clock: MockClock) -> None:
    lines = Lines()
    flood, waiting = lines.take(FLOOD), lines.take(OVERLOADED)
    assert lines.next(has_room=True) is waiting
    await trio.sleep(ROOM_SECONDS / 2)
    later = lines.take(OVERLOADED)
    await trio.sleep(ROOM_SECONDS / 2)
    assert lines.next() is flood
    assert lines.next() is None
    await trio.sleep(ROOM_SECONDS / 2)
    assert lines.next() is later


@pytest.mark.parametrize(
    ("length", "has_room", "others_wait", "held_up"),
    [
        (100, True, False, False),
        (100, False, False, True),
        (100, True, True, True),
        (1_000_000, False, True, False),
    ],
)
async def test_small_batches_hold_each_other_up(
    autojump_clock: MockClock, length: int, has_room: bool, others_wait: bool, held_up: bool
) -> None:
    lines = Lines()
    if others_wait:
        lines.take(OVERLOADED, has_room=True)
    lines.batches.has_room = has_room
    head = RequestHead("/api/events", {}, None, 0, length, is_large=False, closes=False)
    assert lines.all.holds_up(head) is held_up

import json
from typing import Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.observation.broadcast import Missed
from ingest.http.live.event_stream import HEARTBEAT_SECONDS, EventStream, encode
from ingest.model.verdict import DropReason
from ingest.observation.event_filter import EventFilter
from ingest.observation.event_summary import as_json, summarize
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import an_enriched_event, an_event


def test_events_on_the_wire() -> None:
    accepted = summarize(7, an_enriched_event(name="a\nevent: dropped"))
    dropped = summarize(8, an_event(), 1, DropReason.BOT, "user agent of a crawler")
    first, second, third, rest = encode([accepted, Missed(3), dropped]).decode().split("\n\n")
    assert first == f"event: accepted\nid: 7\ndata: {json.dumps(as_json(accepted))}"
    assert second == 'event: missed\ndata: {"missed": 3}'
    assert third.startswith("event: dropped\nid: 8\ndata: {")
    assert rest == ""


async def collect(stream: EventStream, into: list[bytes]) -> None:
    async with stream as body:
        async for chunk in body:
            into += [chunk]


async def test_a_silent_stream_shows_that_it_is_there(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    broadcast, chunks = no_broadcast(), list[bytes]()
    nursery.start_soon(collect, EventStream(broadcast, EventFilter()), chunks)
    await trio.sleep(2.5 * HEARTBEAT_SECONDS)
    assert chunks == [b"retry: 2000\n\n", b": still here\n\n", b": still here\n\n"]
    broadcast.accepted([an_enriched_event()])
    await wait_all_tasks_blocked()
    assert chunks[-1].startswith(b"event: accepted\n")
    broadcast.close()
    await wait_all_tasks_blocked()
    assert nursery.child_tasks == set[Any]()


async def test_a_stream_that_is_cut_off_follows_no_longer(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    broadcast, chunks = no_broadcast(), list[bytes]()
    with trio.move_on_after(1):
        await collect(EventStream(broadcast, EventFilter()), chunks)
    assert broadcast.followers == 0


async def test_a_stream_that_finds_the_room_full(autojump_clock: MockClock) -> None:
    broadcast, chunks = no_broadcast(), list[bytes]()
    broadcast.close()
    await collect(EventStream(broadcast, EventFilter()), chunks)
    assert chunks == []

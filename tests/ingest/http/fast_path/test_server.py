"""The fast path and hypercorn give the same answers, to the byte."""

import gzip
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.pipeline.intake import Intake
from ingest.http.answer import Answer
from ingest.http.batch_endpoint import AT_A_TIME, SMALL_EVENTS, TURN_SECONDS
from ingest.http.event_endpoint import ACCEPTED, ROOM_SECONDS
from ingest.http.fast_path.connection import PART_SECONDS, READ_BYTES
from ingest.http.fast_path.encoded_answer import encode
from ingest.http.fast_path.server import REQUESTS_TOGETHER, FastPath
from ingest.http.hypercorn.connection import IDLE_SECONDS, LINGER_SECONDS
from ingest.http.hypercorn.server import Server
from ingest.http.request_observers import RequestObserver
from ingest.http.turns import NEW
from tests.actors.pipeline.running_pipeline import Pipeline, fail_once, running
from tests.ingest.http.application import Application
from tests.ingest.http.odd_requests import ODD_REQUESTS, POST

AGENT = b"user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
DATE = re.compile(rb"date: [^\r]+\r\n")
MADE_ID = re.compile(rb"(?<=\nx-request-id: )[0-9a-f]{16}(?=\r\n)")


def post(
    body: bytes | None = None,
    headers: bytes = b"content-type: text/plain\r\n",
    line: bytes = b"POST /api/event HTTP/1.1\r\nhost: a\r\n",
    **fields: Any,
) -> bytes:
    if body is None:
        event = {"n": "pageview", "u": "https://example.com/", "d": "example.com", **fields}
        body = json.dumps(event).encode()
    return b"%b%b%bcontent-length: %d\r\n\r\n%b" % (line, AGENT, headers, len(body), body)


EVENT = {"n": "pageview", "u": "https://example.com/", "d": "example.com"}


def batch(*items: Any, headers: bytes = b"", body: bytes | None = None) -> bytes:
    if body is None:
        body = json.dumps(items).encode()
    return post(
        body,
        b"content-type: application/json\r\n" + headers,
        b"POST /api/events HTTP/1.1\r\nhost: a\r\n",
    )


LAST = post(headers=b"connection: close\r\n")
OLD = b"POST /api/event HTTP/1.0\r\n"

CASES = {
    "accepted": post() + LAST,
    "dropped": post(d="nowhere.example,example.com") + LAST,
    "dropped, and told why": post(
        headers=b"authorization: Bearer command-token\r\n", d='nowhere.example,example.com,a"=\r'
    )
    + LAST,
    "dropped, and not told why": post(
        headers=b"authorization: Bearer else\r\n", d="nowhere.example"
    )
    + LAST,
    "wrong": post(b"{}") + LAST,
    "not JSON": post(b"{") + LAST,
    "a form": post(b"n=a&d=b", b"content-type: application/x-www-form-urlencoded\r\n") + LAST,
    "no body": post(b"") + LAST,
    "wrong, with an id": post(b"{}", b"x-request-id: abc-1\r\n") + post(b"{}") + LAST,
    "wrong, with an odd id": post(b"{}", b"x-request-id: a b\r\n") + LAST,
    "wrong, with two ids": post(b"{}", b"x-request-id: a\r\nX-Request-Id: b\r\n") + LAST,
    "not acceptable": post(headers=b"accept: text/html\r\n") + LAST,
    "a large body": post(u="https://example.com/" + "a" * 100_000) + LAST,
    "three in one": post() + post(b"{}") + post() + LAST,
    "an event, a page, an event": post() + b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n" + LAST,
    "a preflight, an event": b"OPTIONS /api/event HTTP/1.1\r\nhost: a\r\n\r\n" + LAST,
    "another path": post(line=b"POST /api/events HTTP/1.1\r\nhost: a\r\n") + LAST,
    "another method": post(line=b"PUT /api/event HTTP/1.1\r\nhost: a\r\n") + LAST,
    "a batch": batch(EVENT, {**EVENT, "d": "nowhere.example"}, {}, 5) + LAST,
    "a batch of nothing valid": batch({}, 5) + LAST,
    "a batch of lines": batch(body=b'{"n":"pageview","u":"https://example.com/"}\n{\n') + LAST,
    "an empty batch": batch() + LAST,
    "no batch": batch(body=b"{") + LAST,
    "a compressed batch": batch(
        headers=b"content-encoding: gzip\r\n", body=gzip.compress(json.dumps([EVENT] * 3).encode())
    )
    + LAST,
    "an unknown coding": batch(headers=b"content-encoding: br\r\n", body=b"x") + LAST,
    "a batch with a past time": batch({**EVENT, "timestamp": 1, "ip": "192.0.2.7"}) + LAST,
    "a batch, not acceptable": batch(EVENT, headers=b"accept: text/html\r\n") + LAST,
    "a large batch": batch(*[EVENT] * 2000) + LAST,
    "an end within a batch": batch(*[EVENT] * 2000)[:100_000],
    "a batch, then the end": batch(EVENT, headers=b"connection: close\r\n"),
    "batches and events": batch(EVENT) + post() + batch(*[EVENT] * 300) + batch({}) + LAST,
    "batch: another method": post(line=b"PUT /api/events HTTP/1.1\r\nhost: a\r\n") + LAST,
    "batch: a longer path": post(line=b"POST /api/eventss HTTP/1.1\r\nhost: a\r\n") + LAST,
    "HTTP/1.0": post(line=OLD),
    "HTTP/1.0, kept": post(line=OLD, headers=b"connection: keep-alive\r\n"),
    "an expectation": post(headers=b"expect: 100-continue\r\n") + LAST,
    "chunks": POST + AGENT + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + LAST,
    "an end within a head": post()[:60],
    "an end within a body": post()[:-5],
    **{f"odd: {name}": odd.sent for name, odd in ODD_REQUESTS.items()},
}


class Servers:
    """One application behind two servers: with the fast path, and without."""

    def __init__(self, pipeline: Pipeline, application: Application) -> None:
        self.pipeline = pipeline
        self.application = application
        self.ports: list[int] = []
        self.servers: list[Server] = []

    async def open(self, nursery: trio.Nursery, observers: Sequence[RequestObserver] = ()) -> None:
        metrics = self.pipeline.collector.metrics
        fast_path = FastPath(
            self.application.endpoint,
            self.application.batches,
            metrics,
            idle_seconds=IDLE_SECONDS,
            linger_seconds=LINGER_SECONDS,
            observers=observers,
        )
        for each in (fast_path, None):
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            # Gauges are registered once.
            self.servers.append(
                Server(self.application.app, listeners, type(metrics)(lambda domain: True), each)
            )
            await nursery.start(self.servers[-1].run)
            self.ports.append(listeners[0].socket.getsockname()[1])

    async def connect(self, server: int) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.ports[server])

    async def answers(self, sent: bytes, piece: int = 1_000_000) -> list[bytes]:
        """What comes back through each, without dates and random ids."""
        return [await self.answer(server, sent, piece) for server in (0, 1)]

    async def answer(self, server: int, sent: bytes, piece: int) -> bytes:
        received = b""
        async with await self.connect(server) as stream:
            try:
                with trio.fail_after(60):
                    for start in range(0, len(sent), piece):
                        await stream.send_all(sent[start : start + piece])
                        if piece < len(sent):
                            await trio.testing.wait_all_tasks_blocked()
                    await stream.send_eof()
                    async for chunk in stream:
                        received += chunk
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # closed before everything was read
        return MADE_ID.sub(b"made", DATE.sub(b"", received))


@asynccontextmanager
async def open_servers(directory: Path) -> AsyncIterator[Servers]:
    async with running(Pipeline(directory)) as pipeline, trio.open_nursery() as nursery:
        servers = Servers(pipeline, Application(pipeline))
        await servers.open(nursery)
        yield servers
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("case", CASES)
async def test_answers_are_the_same(tmp_path: Path, case: str) -> None:
    async with open_servers(tmp_path) as servers:
        fast, slow = await servers.answers(CASES[case])
        assert fast == slow
        assert fast.startswith(b"HTTP/1.1 ") or "an end" in case


@pytest.mark.parametrize(
    "case", ["accepted", "three in one", "an event, a page, an event", "a batch"]
)
@pytest.mark.parametrize("piece", [1, 7, 100])
async def test_answers_do_not_depend_on_how_the_bytes_arrive(
    tmp_path: Path, case: str, piece: int
) -> None:
    async with open_servers(tmp_path) as servers:
        fast, slow = await servers.answers(CASES[case], piece)
        assert fast == slow
        assert fast == (await servers.answers(CASES[case]))[0]


async def test_events_are_stored_on_either_path(tmp_path: Path) -> None:
    async with open_servers(tmp_path) as servers:
        await servers.answers(post() + LAST)
        servers.pipeline.collector.drain(60)
    fast, _, slow, _ = servers.pipeline.events()
    assert fast["browser"] == "Firefox"
    changing = {"timestamp"}
    assert {key: fast[key] for key in fast.keys() - changing} == {
        key: slow[key] for key in slow.keys() - changing
    }


async def test_an_overloaded_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_servers(tmp_path) as servers:
        servers.pipeline.collector.intake.close()
        fast, slow = await servers.answers(post() + batch(EVENT) + LAST)
        assert fast == slow
        assert fast.count(b"HTTP/1.1 503 ") == 3
        assert b"retry-after: 5\r\n" in fast


async def test_an_exception_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **keywords: object) -> None:
        raise ZeroDivisionError

    async with open_servers(tmp_path) as servers:
        monkeypatch.setattr(servers.pipeline.collector.intake, "send", fail)
        fast, slow = await servers.answers(post() + batch(EVENT) + LAST)
        assert fast == slow
        assert fast.count(b"HTTP/1.1 500 ") == 3


async def test_both_paths_tell_why_events_were_dropped(tmp_path: Path) -> None:
    async with open_servers(tmp_path) as servers:
        fast, slow = await servers.answers(CASES["dropped, and told why"])
        assert fast == slow
        assert fast.count(b"x-sluice-drop-reasons: nowhere.example=not_found;rule=") == 1
        assert b"a%22%3D=not_found" in fast


async def test_requests_are_counted_alike(tmp_path: Path) -> None:
    async with open_servers(tmp_path) as servers:
        await servers.answers(post(b"{}") + batch(EVENT) + batch({}) + LAST)
        sample = servers.pipeline.collector.metrics.registry.get_sample_value
        for route in ("/api/event", "/api/events"):
            for status in ("202", "400"):
                labels = {"route": route, "status": status}
                assert sample("sluice_request_duration_seconds_count", labels) == 2
        assert servers.pipeline.collector.metrics.history.refusals() == {400: 4}


class Alone:
    """The fast path on one connection, on a clock of its own."""

    def __init__(
        self, pipeline: Pipeline, observers: Sequence[RequestObserver] = (), flood: int = 0
    ) -> None:
        application = Application(pipeline, flood=flood)
        self.batches = application.batches
        self.fast_path = FastPath(
            application.endpoint,
            application.batches,
            pipeline.collector.metrics,
            idle_seconds=IDLE_SECONDS,
            linger_seconds=LINGER_SECONDS,
            observers=observers,
        )
        self.left: list[bytes | None] = []
        self.errors: list[Exception] = []
        self.running = False

    async def serve(self, nursery: trio.Nursery) -> trio.SocketStream:
        here, there = trio.socket.socketpair()
        stream = trio.SocketStream(there)

        async def serve() -> None:
            try:
                self.left.append(await self.fast_path.serve(stream, there.fileno(), "203.0.113.9"))
            except ArithmeticError as error:
                self.errors.append(error)
            await stream.aclose()

        nursery.start_soon(serve)
        if not self.running:
            self.running = True
            nursery.start_soon(self.fast_path.run)
        return trio.SocketStream(here)


def tell_late(pipeline: Pipeline, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each request wait for three seconds for its verdicts."""
    send = pipeline.collector.intake.send

    async def later(tell: Callable[[], object]) -> None:
        await trio.sleep(3)
        tell()

    def slow(request: Any, tell: Callable[[], object], now: float) -> Any:
        return send(request, tell=lambda: nursery.start_soon(later, tell), now=now)

    monkeypatch.setattr(pipeline.collector.intake, "send", slow)


async def test_a_silent_connection_is_closed(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    alone = Alone(pipeline)
    stream = await alone.serve(nursery)
    await stream.send_all(post())
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 202")
    started = trio.current_time()
    assert await stream.receive_some() == b""
    assert IDLE_SECONDS <= trio.current_time() - started < IDLE_SECONDS + 1
    assert alone.left == [None]
    nursery.cancel_scope.cancel()


async def test_a_slow_request_is_left_to_hypercorn(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    alone = Alone(pipeline)
    stream = await alone.serve(nursery)
    await stream.send_all(post() + post()[:50])
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 202")
    await trio.sleep(PART_SECONDS + 1)
    assert alone.left == [post()[:50]]
    nursery.cancel_scope.cancel()


async def test_a_request_has_its_time_from_its_first_part_on(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    alone = Alone(pipeline)
    stream = await alone.serve(nursery)
    for number in range(50):
        await stream.send_all(post()[number : number + 1])
        await trio.sleep(PART_SECONDS / 4)
        if alone.left:
            break
    assert PART_SECONDS <= trio.current_time() < PART_SECONDS * 1.5
    assert alone.left == [post()[: number + 1]]
    nursery.cancel_scope.cancel()


async def test_requests_sent_ahead_are_answered_in_their_order(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = Alone(pipeline)
    tell_late(pipeline, nursery, monkeypatch)
    stream = await alone.serve(nursery)
    long = post(r="https://example.org/" + "r" * 60_000)
    await stream.send_all(post())
    await trio.sleep(1)
    nursery.start_soon(stream.send_all, long + post(b"{}") + long + post() + LAST)
    received = b"".join([bytes(chunk) async for chunk in stream])
    statuses = [int(status) for status in re.findall(rb"HTTP/1.1 ([0-9]+)", received)]
    assert statuses == [202, 202, 400, 202, 202, 202]
    assert trio.current_time() >= 15
    assert alone.left == [None]
    nursery.cancel_scope.cancel()


async def test_a_client_that_sends_ahead_without_end_is_not_read_from(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = Alone(pipeline)
    tell_late(pipeline, nursery, monkeypatch)
    stream = await alone.serve(nursery)
    await stream.send_all(post())
    await trio.sleep(1)
    nursery.start_soon(stream.send_all, post() * 10_000)
    await trio.sleep(1)
    (connection,) = alone.fast_path._connections
    assert READ_BYTES <= len(connection.received) <= 2 * READ_BYTES
    nursery.cancel_scope.cancel()


async def test_a_client_that_has_said_all_is_answered(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = Alone(pipeline)
    tell_late(pipeline, nursery, monkeypatch)
    stream = await alone.serve(nursery)
    await stream.send_all(post() + post()[:50])
    await trio.sleep(1)
    await stream.send_eof()
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 202")
    assert await stream.receive_some() == b""
    assert alone.left == [post()[:50]]
    nursery.cancel_scope.cancel()


async def test_a_client_that_has_gone_leaves_its_event_and_no_trace(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = Alone(pipeline)
    tell_late(pipeline, nursery, monkeypatch)
    with trio.CancelScope() as connection:
        async with trio.open_nursery() as connections:
            stream = await alone.serve(connections)
            await stream.send_all(post())
            await trio.sleep(1)
            connection.cancel()
    assert alone.fast_path._connections == set()
    assert len(pipeline.front.verdicts) == 0
    await trio.sleep(5)
    assert pipeline.storing.partition.sessions.fold.sessions
    nursery.cancel_scope.cancel()


async def test_what_goes_wrong_on_one_connection_is_its_own(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = Alone(pipeline)
    one, other = await alone.serve(nursery), await alone.serve(nursery)
    failed = fail_once(alone.fast_path, "_start_request", monkeypatch)
    await one.send_all(post())
    assert await one.receive_some() == b""
    assert failed()
    await other.send_all(post())
    assert (await other.receive_some()).startswith(b"HTTP/1.1 202")
    assert [type(error) for error in alone.errors] == [ZeroDivisionError]
    nursery.cancel_scope.cancel()


async def test_stopping_lets_a_request_finish_and_closes_idle_connections(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = Alone(pipeline)
    tell_late(pipeline, nursery, monkeypatch)
    idle, busy = await alone.serve(nursery), await alone.serve(nursery)
    await busy.send_all(post())
    await trio.sleep(1)
    alone.fast_path.stop()
    assert await idle.receive_some() == b""
    assert trio.current_time() < 2
    answer = bytes(await busy.receive_some())
    assert answer.startswith(b"HTTP/1.1 202")
    assert b"connection: close\r\n" in answer
    assert await busy.receive_some() == b""
    nursery.cancel_scope.cancel()


async def test_bytes_that_come_as_the_idle_time_ends_start_no_request(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    """Else the event would be stored, and its sender not answered."""
    alone = Alone(pipeline)
    stream = await alone.serve(nursery)
    await trio.testing.wait_all_tasks_blocked()
    (connection,) = alone.fast_path._connections
    await stream.send_all(post())
    connection.finish(connection.received)
    await trio.testing.wait_all_tasks_blocked()
    assert alone.left in ([post()], [None])
    assert len(pipeline.front.verdicts) == 0
    nursery.cancel_scope.cancel()


async def test_what_does_not_fit_at_once_is_sent_in_the_end(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = iter([5, None])

    def write(descriptor: int, data: bytes) -> int:
        size = next(sizes)
        if size is None:
            raise BlockingIOError
        return real(descriptor, data[:size])

    alone = Alone(pipeline)
    stream = await alone.serve(nursery)
    real = os.write
    monkeypatch.setattr(os, "write", write)
    await stream.send_all(post() + LAST)
    received = b""
    async for chunk in stream:
        received += chunk
    assert received.count(b"HTTP/1.1 202 ") == 2
    nursery.cancel_scope.cancel()


class Room:
    """Whether the pipeline takes another request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, free: bool = False) -> None:
        self.free = free
        monkeypatch.setattr(Intake, "room", property(lambda _: int(self.free)))


async def test_a_request_waits_for_room(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone, room = Alone(pipeline), Room(monkeypatch)
    for sent in (post(), batch(EVENT), batch(*[EVENT] * 100), LARGE):
        room.free = False
        stream = await alone.serve(nursery)
        with trio.move_on_after(ROOM_SECONDS / 2):
            await stream.send_all(sent)
            await stream.receive_some()
            raise AssertionError("answered without room")
        room.free = True
        if sent is LARGE:  # only its beginning has been read
            await stream.aclose()
            continue
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 202")
    nursery.cancel_scope.cancel()


async def test_a_connection_costs_one_refusal_at_a_time(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = Alone(pipeline)
    Room(monkeypatch)
    stream = await alone.serve(nursery)
    await stream.send_all(post() * 2 + batch(EVENT) + LAST)
    received = b"".join([bytes(chunk) async for chunk in stream])
    assert received.count(b"HTTP/1.1 503 ") == 4
    assert 4 * ROOM_SECONDS <= trio.current_time() < 4 * ROOM_SECONDS + 1
    nursery.cancel_scope.cancel()


async def test_a_flood_waits_for_its_refusals(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    alone = Alone(pipeline, flood=1)
    stream = await alone.serve(nursery)
    await stream.send_all(post() * 2 + batch(EVENT) + LAST)
    received = b"".join([bytes(chunk) async for chunk in stream])
    assert re.findall(rb"HTTP/1.1 ([0-9]+)", received) == [b"202"] + [b"429"] * 3
    assert 3 * ROOM_SECONDS <= trio.current_time() < 3 * ROOM_SECONDS + 1
    nursery.cancel_scope.cancel()


async def test_nobody_overtakes_those_who_wait(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone, room = Alone(pipeline), Room(monkeypatch)
    order: list[str] = []
    send = pipeline.collector.intake.send

    def record(*requests: Any, **options: Any) -> Any:
        order.append(requests[0].pathname)
        return send(*requests, **options)

    monkeypatch.setattr(pipeline.collector.intake, "send", record)
    streams = [await alone.serve(nursery) for _ in range(20)]
    for number, stream in enumerate(streams):
        await stream.send_all(post(u=f"https://example.com/{number}"))
        await trio.testing.wait_all_tasks_blocked()
    room.free = True
    await stream.receive_some()
    assert order == [f"/{number}" for number in range(20)]
    nursery.cancel_scope.cancel()


async def test_small_batches_wait_for_each_other(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone, sizes = Alone(pipeline), []
    intake = pipeline.collector.intake
    send = intake.send

    def record(*requests: Any, **options: Any) -> Any:
        sizes.append(len(requests))
        return send(*requests, **options)

    monkeypatch.setattr(intake, "send", record)
    monkeypatch.setattr("ingest.http.batch_endpoint.SMALL_EVENTS", 0)
    streams = [await alone.serve(nursery) for _ in range(3)]
    for number, stream in enumerate(streams, 1):
        await stream.send_all(batch(*[EVENT] * number))
        await trio.testing.wait_all_tasks_blocked()
    compressed = batch(headers=b"content-encoding: gzip\r\n", body=gzip.compress(b"[]"))
    for sent in (post(), batch(*[EVENT] * 200), compressed):
        other = await alone.serve(nursery)
        await other.send_all(sent)
        assert b"HTTP/1.1" in await other.receive_some()
    assert trio.current_time() < ROOM_SECONDS
    sizes.clear()
    monkeypatch.setattr("ingest.http.batch_endpoint.SMALL_EVENTS", SMALL_EVENTS)
    for stream in streams:
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 202")
    assert sizes == [1, 2, 3]
    nursery.cancel_scope.cancel()


async def test_a_small_batch_that_has_waited_takes_a_turn(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.http.batch_endpoint.SMALL_EVENTS", 0)
    alone = Alone(pipeline)
    stream = await alone.serve(nursery)
    await stream.send_all(batch(EVENT))
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 202")
    assert ROOM_SECONDS <= trio.current_time() < ROOM_SECONDS + 1
    nursery.cancel_scope.cancel()


async def test_a_server_that_drains_refuses_at_once(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    alone = Alone(pipeline)
    stream = await alone.serve(nursery)
    pipeline.collector.intake.close()
    await stream.send_all(post() + batch(EVENT) + LAST)
    received = b"".join([bytes(chunk) async for chunk in stream])
    assert received.count(b"HTTP/1.1 503 ") == 3
    assert trio.current_time() < ROOM_SECONDS
    nursery.cancel_scope.cancel()


LARGE = batch(*[EVENT] * 5000)


async def test_the_body_of_a_large_batch_is_read_when_it_is_its_turn(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    alone = Alone(pipeline)
    async with AsyncExitStack() as turns:
        for _ in range(AT_A_TIME):
            await turns.enter_async_context(alone.batches.turns.turn(NEW))
        stream = await alone.serve(nursery)
        nursery.start_soon(stream.send_all, LARGE)
        await trio.sleep(TURN_SECONDS / 2)
        (connection,) = alone.fast_path._connections
        assert len(connection.received) <= 2 * READ_BYTES
    answer = await stream.receive_some()
    assert answer.startswith(b"HTTP/1.1 202")
    nursery.cancel_scope.cancel()


async def test_the_body_of_a_refused_batch_is_skipped(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    alone = Alone(pipeline)
    async with AsyncExitStack() as turns:
        for _ in range(AT_A_TIME):
            await turns.enter_async_context(alone.batches.turns.turn(NEW))
        stream = await alone.serve(nursery)
        nursery.start_soon(stream.send_all, LARGE + LARGE)
        for _ in range(2):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 503")
        assert trio.current_time() >= 2 * TURN_SECONDS
    await trio.sleep(1)
    await stream.send_all(LAST)
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 202")
    assert await stream.receive_some() == b""
    nursery.cancel_scope.cancel()


async def test_a_slow_batch_gives_its_turn_back(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    alone = Alone(pipeline)
    streams = [await alone.serve(nursery) for _ in range(AT_A_TIME)]
    for stream in streams:
        await stream.send_all(LARGE[:1000])
    await trio.sleep(PART_SECONDS / 2)
    other = await alone.serve(nursery)
    nursery.start_soon(other.send_all, LARGE)
    assert (await other.receive_some()).startswith(b"HTTP/1.1 202")
    assert trio.current_time() < PART_SECONDS + 1
    assert alone.left == [LARGE[:1000]] * AT_A_TIME
    nursery.cancel_scope.cancel()


async def test_a_large_batch_that_ends_early_is_left_to_hypercorn(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    alone = Alone(pipeline)
    stream = await alone.serve(nursery)
    await stream.send_all(LARGE[:100_000])
    await stream.send_eof()
    assert await stream.receive_some() == b""
    assert alone.left == [LARGE[:100_000]]
    nursery.cancel_scope.cancel()


def test_answers_on_the_wire() -> None:
    plain = encode(ACCEPTED, asked=False, stopping=False)
    assert DATE.sub(b"", plain) == (
        b"HTTP/1.1 202 \r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n"
        b"access-control-allow-origin: *\r\n"
        b"access-control-expose-headers: x-plausible-dropped, retry-after, x-request-id\r\n\r\nok"
    )
    dropped = encode(
        Answer(202, b"ok", headers=(("x-plausible-dropped", "2"),)), asked=True, stopping=False
    )
    assert b"\r\nx-plausible-dropped: 2\r\n" in dropped
    assert b"\r\nConnection: close\r\n\r\n" in dropped


class AnswersPerStep(trio.abc.Instrument):
    """The most requests that were answered between two checkpoints."""

    def __init__(self) -> None:
        self.most = self.total = self._before = 0

    def observe(self, _: object) -> None:
        self.total += 1

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._before = self.total

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.most = max(self.most, self.total - self._before)


@pytest.mark.parametrize("refused", [post(b""), post(headers=b"accept: text/html\r\n")])
async def test_requests_answered_at_once_leave_others_their_turn(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery, refused: bytes
) -> None:
    counted = AnswersPerStep()
    alone = Alone(pipeline, [counted.observe])
    stream = await alone.serve(nursery)
    trio.lowlevel.add_instrument(counted)
    nursery.start_soon(stream.send_all, refused * 1_000 + LAST)
    received = b"".join([bytes(chunk) async for chunk in stream])
    trio.lowlevel.remove_instrument(counted)
    assert received.count(b"HTTP/1.1 4") == 1_000
    assert received.count(b"HTTP/1.1 202") == 1
    assert counted.total == 1_001
    assert counted.most <= REQUESTS_TOGETHER
    nursery.cancel_scope.cancel()


async def test_connections_leave_others_their_turn(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each request takes longer than a turn.
    monkeypatch.setattr("ingest.http.fast_path.server.HOLD_SECONDS", -1)
    counted = AnswersPerStep()
    alone = Alone(pipeline, [counted.observe])
    streams = [await alone.serve(nursery) for _ in range(8)]
    trio.lowlevel.add_instrument(counted)
    for stream in streams:
        await stream.send_all(post())
    for stream in streams:
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 202")
    trio.lowlevel.remove_instrument(counted)
    assert (counted.most, counted.total) == (1, 8)
    nursery.cancel_scope.cancel()

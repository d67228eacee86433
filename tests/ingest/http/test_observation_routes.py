import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ingest.http.hypercorn.connection import READ_SECONDS, WRITE_SECONDS
from ingest.http.hypercorn.server import Server
from ingest.http.observation_routes import DROPS_LIMIT
from ingest.model.verdict import DropReason
from tests.actors.pipeline.running_pipeline import Pipeline
from tests.examples import an_enriched_event, an_event
from tests.ingest.http.application import COMMAND_TOKEN, Application

LOOPBACK = "127.0.0.1"
BOT = {"user-agent": "Googlebot/2.1"}


async def test_the_last_drops(autojump_clock: MockClock, application: Application) -> None:
    await application.post(domain="nowhere.example", url="https://nowhere.example/a")
    await application.post(BOT, url="https://example.com/b")
    await application.post(url="https://example.com/c")
    report = (await application.ask("GET", "/api/drops", peer=LOOPBACK)).json
    assert [(drop["pathname"], drop["reason"], drop["site_id"]) for drop in report["drops"]] == [
        ("/b", "bot", 1),
        ("/a", "not_found", None),
    ]
    assert report["drops"][0]["rule"] == "user agent of a crawler"
    assert report["dropped_since"] == {"not_found": 1, "bot": 1}
    assert report["since"] <= report["drops"][0]["at"]


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ("", ["/c", "/b", "/a"]),
        ("?site=example.com", ["/c", "/b"]),
        ("?site=nowhere.example", ["/a"]),
        ("?site=else.example", []),
        ("?limit=2", ["/c", "/b"]),
        ("?limit=0", []),
        ("?site=example.com&limit=1", ["/c"]),
        ("?reason=bot", ["/c", "/b"]),
        ("?reason=not_found", ["/a"]),
        ("?reason=bot&site=nowhere.example", []),
        ("?reason=&site=&limit=", ["/c", "/b", "/a"]),
    ],
)
async def test_drops_are_chosen(
    autojump_clock: MockClock, application: Application, query: str, pages: list[str]
) -> None:
    await application.post(domain="nowhere.example", url="https://nowhere.example/a")
    await application.post(BOT, url="https://example.com/b")
    await application.post(BOT, url="https://example.com/c")
    report = (await application.ask("GET", f"/api/drops{query}", peer=LOOPBACK)).json
    assert [drop["pathname"] for drop in report["drops"]] == pages


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/drops?limit=x", "limit"),
        ("/api/drops?limit=-1", "limit"),
        (f"/api/drops?limit={DROPS_LIMIT + 1}", "limit"),
        ("/api/drops?limit=" + "9" * 1_000, "limit"),
        ("/api/drops?reason=else", "reason"),
        ("/api/live?reason=Bot", "reason"),
        ("/api/live?kind=accepted,else", "kind"),
        ("/api/live?replay=257", "replay"),
    ],
)
async def test_mistakes(
    autojump_clock: MockClock, application: Application, path: str, field: str
) -> None:
    answer = await application.ask("GET", path, peer=LOOPBACK)
    assert answer.status == 400
    assert list(answer.json["errors"]) == [field]


@pytest.mark.parametrize("path", ["/api/drops", "/api/live"])
@pytest.mark.parametrize(
    ("token", "headers", "peer", "status"),
    [
        (None, {}, "203.0.113.9", 403),
        (None, {"x-forwarded-for": "203.0.113.9"}, LOOPBACK, 403),
        (None, {"origin": "https://else.example"}, LOOPBACK, 403),
        ("admin-token-of-sixteen", {}, LOOPBACK, 401),
        ("admin-token-of-sixteen", {"authorization": "Bearer else"}, LOOPBACK, 401),
        ("admin-token-of-sixteen", {"authorization": "Bearer admin-token-of-sixteen"}, "::", 200),
        ("admin-token-of-sixteen", {"authorization": f"Bearer {COMMAND_TOKEN}"}, "::", 200),
        (None, {"authorization": f"Bearer {COMMAND_TOKEN}"}, "203.0.113.9", 200),
        (None, {}, LOOPBACK, 200),
    ],
)
async def test_they_answer_the_operator_only(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    path: str,
    token: str | None,
    headers: dict[str, str],
    peer: str,
    status: int,
) -> None:
    application = Application(pipeline, token=token)
    answer = await application.ask("HEAD", path, headers=headers, peer=peer)
    assert answer.status == status


async def test_too_many_followers(autojump_clock: MockClock, application: Application) -> None:
    application.pipeline.collector.broadcast.close()
    answer = await application.ask("GET", "/api/live", peer=LOOPBACK)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


class Live:
    """A client of `/api/live`, over a real connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.received = b""

    async def until(self, text: bytes, times: int = 1) -> bytes:
        with trio.fail_after(60):
            while self.received.count(text) < times:
                chunk = await self.stream.receive_some()
                assert chunk, self.received
                self.received += chunk
        return self.received

    async def rest(self) -> bytes:
        with trio.fail_after(60):
            async for chunk in self.stream:
                self.received += chunk
        return self.received


async def follow(
    nursery: trio.Nursery, application: Application, query: str = "", headers: str = ""
) -> tuple[Live, Server]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(application.app, listeners, application.pipeline.collector.metrics)
    await nursery.start(server.run)
    port = listeners[0].socket.getsockname()[1]
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(
        f"GET /api/live{query} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n".encode()
    )
    live = Live(stream)
    await live.until(b"retry: 2000")
    return live, server


async def test_events_are_shown_as_they_come(tmp_path: Any, nursery: trio.Nursery) -> None:
    application = Application(Pipeline(tmp_path))
    broadcast = application.pipeline.collector.broadcast
    broadcast.accepted([an_enriched_event(pathname="/before")])
    live, server = await follow(nursery, application)
    broadcast.accepted([an_enriched_event(pathname="/accepted")])
    broadcast.dropped(an_event(pathname="/dropped"), DropReason.BOT, "")
    text = (await live.until(b"event: dropped")).decode()
    assert "content-type: text/event-stream; charset=utf-8" in text
    assert "/before" not in text
    (data,) = [
        line for line in text.splitlines() if line.startswith("data: ") and "/accepted" in line
    ]
    assert json.loads(data.removeprefix("data: "))["browser"] == "Chrome"
    # The server stops: the stream ends, whole, before anybody has to wait.
    broadcast.close()
    server.stop(20)
    assert (await live.rest()).endswith(b"\r\n0\r\n\r\n")


async def test_a_client_goes_on_where_it_lost_the_connection(
    tmp_path: Any, nursery: trio.Nursery
) -> None:
    application = Application(Pipeline(tmp_path))
    broadcast = application.pipeline.collector.broadcast
    for page in ("/1", "/2", "/3"):
        broadcast.accepted([an_enriched_event(pathname=page)])
    seen = broadcast.recent.accepted(lambda one: one.pathname == "/2")[0].number
    live, _ = await follow(nursery, application, "?kind=accepted", f"last-event-id: {seen}\r\n")
    text = await live.until(b"/3")
    assert b"/2" not in text
    nursery.cancel_scope.cancel()


async def test_the_last_events_can_be_asked_for(tmp_path: Any, nursery: trio.Nursery) -> None:
    application = Application(Pipeline(tmp_path))
    broadcast = application.pipeline.collector.broadcast
    for page in ("/1", "/2"):
        broadcast.accepted([an_enriched_event(pathname=page)])
        broadcast.dropped(an_event(pathname=f"{page}0"), DropReason.BOT, "")
    live, _ = await follow(nursery, application, "?kind=dropped&replay=1")
    text = await live.until(b"/20")
    assert b"/10" not in text
    assert b"event: accepted" not in text
    nursery.cancel_scope.cancel()


async def test_drops_of_one_reason_can_be_followed(tmp_path: Any, nursery: trio.Nursery) -> None:
    application = Application(Pipeline(tmp_path))
    broadcast = application.pipeline.collector.broadcast
    broadcast.dropped(an_event(pathname="/1"), DropReason.BOT, "")
    broadcast.dropped(an_event(pathname="/2"), DropReason.THROTTLE, "")
    live, _ = await follow(nursery, application, "?reason=bot&replay=10")
    broadcast.accepted([an_enriched_event(pathname="/3")])
    broadcast.dropped(an_event(pathname="/4"), DropReason.THROTTLE, "")
    broadcast.dropped(an_event(pathname="/5"), DropReason.BOT, "")
    text = await live.until(b"/5")
    assert b"/1" in text
    assert not [page for page in (b"/2", b"/3", b"/4") if b'"%s"' % page in text]
    nursery.cancel_scope.cancel()


async def test_a_client_that_only_listens_is_not_taken_for_dead(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    application = Application(pipeline)
    live, _ = await follow(nursery, application)
    times = int(8 * READ_SECONDS / 10)
    started = trio.current_time()
    while live.received.count(b": still here") < times:
        live.received += await live.stream.receive_some()
    assert trio.current_time() - started > 7 * READ_SECONDS
    nursery.cancel_scope.cancel()


async def test_a_client_that_does_not_read_is_cut_off(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    application = Application(pipeline)
    broadcast = pipeline.collector.broadcast
    _live, server = await follow(nursery, application)
    started = trio.current_time()
    while broadcast.followers and trio.current_time() - started < 10 * WRITE_SECONDS:
        for _ in range(200):
            broadcast.accepted([an_enriched_event(pathname="/" + "a" * 190)])
        await trio.sleep(0.05)
    assert broadcast.followers == 0
    await trio.sleep(1)
    assert server.open_connections == 0
    nursery.cancel_scope.cancel()


async def test_a_client_that_has_gone_is_forgotten(
    autojump_clock: MockClock, pipeline: Pipeline, nursery: trio.Nursery
) -> None:
    live, _ = await follow(nursery, Application(pipeline))
    broadcast = pipeline.collector.broadcast
    assert broadcast.followers == 1
    await live.stream.aclose()
    await trio.sleep(60)
    assert broadcast.followers == 0
    nursery.cancel_scope.cancel()

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from quart import request
from quart_trio import QuartTrio
from trio.testing import MockClock

from ingest.http.base_app import BoundedRequest
from ingest.http.body_budget import (
    PART_BYTES,
    SMALL_PARTS,
    BodyBudget,
    BodyBudgetExceededError,
    BoundedConnection,
)
from tests.actors.pipeline.running_pipeline import Pipeline, running
from tests.ingest.http.application import CHROME, EVENT, Application

LIMIT = 1000


class SlowClient:
    """A request that is sent part by part, as a server hands it to the application."""

    def __init__(self, app: Any, budget: BodyBudget, path: str = "/") -> None:
        self.parts, receive = trio.open_memory_channel[dict[str, Any]](10_000)
        self.sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"a"), (b"user-agent", CHROME.encode())],
            "client": ("203.0.113.9", 1),
        }
        self._connection = BoundedConnection(budget, app, scope)
        self._receive = receive.receive

    async def run(self) -> None:
        await self._connection(self._receive, self._send)

    async def _send(self, message: dict[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)

    def part(self, data: bytes, *, last: bool = False) -> None:
        self.parts.send_nowait({"type": "http.request", "body": data, "more_body": not last})

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


def an_app() -> QuartTrio:
    app = QuartTrio("test")
    app.request_class = BoundedRequest

    @app.post("/")
    async def length() -> str:
        return str(len(await request.body))

    @app.errorhandler(BodyBudgetExceededError)
    async def budget_exceeded(_: BodyBudgetExceededError) -> tuple[str, int]:
        return "later", 503

    return app


@asynccontextmanager
async def clients(budget: BodyBudget, count: int) -> AsyncIterator[list[SlowClient]]:
    app = an_app()
    opened = [SlowClient(app, budget) for _ in range(count)]
    async with trio.open_nursery() as nursery:
        for client in opened:
            nursery.start_soon(client.run)
        yield opened
        nursery.cancel_scope.cancel()


async def test_bodies_share_the_room_and_give_it_back() -> None:
    budget = BodyBudget(LIMIT)
    async with clients(budget, 3) as (first, second, third):
        first.part(b"x" * 600)
        second.part(b"x" * 300)
        await trio.testing.wait_all_tasks_blocked()
        assert budget.used == 900
        third.part(b"x" * 200)
        await trio.testing.wait_all_tasks_blocked()
        assert (third.status, budget.used) == (503, 900)
        first.part(b"", last=True)
        await trio.testing.wait_all_tasks_blocked()
        assert (first.status, budget.used) == (200, 300)
        second.part(b"x" * 700, last=True)
        await trio.testing.wait_all_tasks_blocked()
        assert (second.status, budget.used) == (200, 0)


async def test_what_comes_after_the_refusal_takes_no_room() -> None:
    budget = BodyBudget(LIMIT)
    async with clients(budget, 1) as (client,):
        for _ in range(5):
            client.part(b"x" * 400)
        await trio.testing.wait_all_tasks_blocked()
        assert (client.status, budget.used) == (503, 0)


async def test_a_client_that_goes_gives_its_room_back() -> None:
    budget = BodyBudget(LIMIT)
    async with clients(budget, 1) as (client,):
        client.part(b"x" * 400)
        await trio.testing.wait_all_tasks_blocked()
        client.parts.send_nowait({"type": "http.disconnect"})
        await trio.testing.wait_all_tasks_blocked()
        assert budget.used == 0


@pytest.mark.parametrize("path", ["/api/event", "/api/events"])
async def test_events_are_refused_like_by_a_full_pipeline(
    autojump_clock: MockClock, tmp_path: Path, path: str
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        application = Application(pipeline)
        budget = BodyBudget(10)
        client = SlowClient(application.app, budget, path)
        client.part(json.dumps(EVENT).encode(), last=True)
        await client.run()
        assert client.status == 503
        assert dict(client.sent[0]["headers"])[b"retry-after"] == b"5"
        metrics = pipeline.collector.metrics
        refused = metrics.registry.get_sample_value(
            "sluice_requests_refused_total", {"reason": "bodies"}
        )
        assert refused == 1


@pytest.mark.parametrize(("size", "status"), [(1, 400), (PART_BYTES, 202)])
async def test_a_body_does_not_come_in_small_pieces(
    autojump_clock: MockClock, tmp_path: Path, size: int, status: int
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        client = SlowClient(Application(pipeline).app, BodyBudget(), "/api/event")
        body = json.dumps(EVENT | {"x": "x" * 2 * SMALL_PARTS * size}).encode()
        for start in range(0, len(body), size):
            client.part(body[start : start + size])
        client.part(b"", last=True)
        await client.run()
        assert client.status == status
        assert (dict(client.sent[0]["headers"]).get(b"connection") == b"close") is (status == 400)

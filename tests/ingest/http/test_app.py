"""The application over a real pipeline with a store in memory."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from pydantic import SecretStr
from quart.typing import TestClientProtocol as ClientProtocol
from trio.testing import MockClock

from actors.reload import Reload
from ingest.http.app import create_app
from ingest.http.health import Health
from ingest.request.body import BODY_LIMIT
from ingest.request.client_address import TrustedProxies
from tests.actors.fakes import an_outage
from tests.actors.pipeline import Pipeline, running
from tests.examples import a_request

TOKEN = "an-admin-token-of-some-length"
CHROME = {"user-agent": a_request().user_agent or ""}
EVENT = {"n": "pageview", "u": "https://example.com/p", "d": "example.com"}


class Site:
    """The application with what is behind it."""

    def __init__(self, directory: Path, token: str | None = None, durability: str = "memory"):
        self.pipeline = Pipeline(directory)
        self.sites = Reload[None](
            "sites_file", directory, lambda path: None, lambda _: None, mistakes=(), known=None
        )
        app = create_app(
            self.pipeline.collector,
            Health(self.pipeline.collector, self.sites, None, durability),
            trusted_proxies=TrustedProxies.parse("private"),
            admin_token=None if token is None else SecretStr(token),
            query_token="query-token",
            version="1.0",
        )
        self.client: ClientProtocol = app.test_client()
        self.local = {"scope_base": {"client": ("127.0.0.1", 5)}}

    async def send(self, body: Any = EVENT, **headers: str) -> Any:
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return await self.client.post(
            "/api/event",
            data=data,
            headers={"content-type": "text/plain", **CHROME, **headers},
            **self.local,
        )

    async def get(self, path: str, peer: str = "127.0.0.1", **headers: str) -> Any:
        return await self.client.get(path, headers=headers, scope_base={"client": (peer, 5)})


@asynccontextmanager
async def serving(directory: Path, **options: Any) -> AsyncIterator[Site]:
    site = Site(directory, **options)
    async with running(site.pipeline, seconds=5):
        yield site


async def test_an_event_is_taken(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        response = await site.send()
        assert (response.status_code, await response.get_data(as_text=True)) == (202, "ok")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert "x-plausible-dropped" not in response.headers
        assert response.headers["access-control-allow-origin"] == "*"
    assert [event["pathname"] for event in site.pipeline.events()] == ["/p"]


async def test_dropped_domains_are_counted(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        response = await site.send(EVENT | {"d": "example.com,a.example,b.example"})
        assert response.status_code == 202
        assert response.headers["x-plausible-dropped"] == "2"


@pytest.mark.parametrize(
    ("body", "headers", "status", "field"),
    [
        pytest.param("{", {}, 400, "request", id="no JSON"),
        pytest.param("{}", {}, 400, "url", id="no fields"),
        pytest.param("x" * (BODY_LIMIT + 1), {}, 400, "request", id="raw body too long"),
        pytest.param(
            "x" * (BODY_LIMIT + 1),
            {"content-type": "application/json"},
            413,
            "request",
            id="JSON too long",
        ),
        pytest.param("{}", {"accept": "text/html"}, 406, "request", id="wants no JSON"),
    ],
)
async def test_refusals(
    autojump_clock: MockClock,
    tmp_path: Path,
    body: str,
    headers: dict[str, str],
    status: int,
    field: str,
) -> None:
    async with serving(tmp_path) as site:
        response = await site.send(body, **headers)
        assert response.status_code == status
        assert field in (await response.get_json())["errors"]
        assert response.headers["access-control-allow-origin"] == "*"


async def test_a_closed_pipeline_answers_503(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        site.pipeline.collector.intake.close()
        response = await site.send()
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert response.headers["access-control-allow-origin"] == "*"
        assert (await site.get("/ready")).status_code == 503


async def test_actors_that_failed_for_good_answer_503(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with serving(tmp_path) as site:
        assert (await site.get("/health")).status_code == 200
        site.pipeline.collector.supervisor.fatal.set()
        assert (await site.send()).status_code == 503
        assert (await site.get("/health")).status_code == 503
        response = await site.get("/ready")
        assert response.status_code == 503
        assert (await response.get_json())["actors"]["status"] == "down"


async def test_a_store_that_is_down_degrades(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        site.pipeline.store.outages = [an_outage() for _ in range(3)]
        await site.send()
        await trio.sleep(5.1)
        response = await site.get("/ready")
        report = await response.get_json()
        assert (response.status_code, report["status"]) == (200, "degraded")
        assert report["store"]["reason"] == "connection refused"
        assert report["store"]["rows_waiting"] == 2
        assert (await (await site.get("/api/health")).get_json())["clickhouse"] == "error"
        assert (await site.get("/api/health")).status_code == 500
        stranger = await (await site.get("/ready", peer="203.0.113.9")).get_json()
        assert "reason" not in stranger["store"]


async def test_a_wrong_sites_file_degrades(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        site.sites.problem = "line 1: wrong"
        report = await (await site.get("/ready")).get_json()
        assert report["status"] == "degraded"
        assert report["registry"]["reason"] == "line 1: wrong"


@pytest.mark.parametrize(("durability", "status"), [("memory", "ok"), ("journal", "degraded")])
async def test_readiness_says_that_there_is_no_journal(
    autojump_clock: MockClock, tmp_path: Path, durability: str, status: str
) -> None:
    async with serving(tmp_path, durability=durability) as site:
        report = await (await site.get("/ready")).get_json()
        assert (report["journal"]["status"], report["journal"]["durability"]) == (status, "memory")


@pytest.mark.parametrize(
    ("token", "peer", "headers", "status"),
    [
        (None, "127.0.0.1", {}, 200),
        (None, "203.0.113.9", {}, 403),
        (None, "127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, 403),
        (TOKEN, "127.0.0.1", {}, 401),
        (TOKEN, "203.0.113.9", {"authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
async def test_operators_routes(
    autojump_clock: MockClock,
    tmp_path: Path,
    path: str,
    token: str | None,
    peer: str,
    headers: dict[str, str],
    status: int,
) -> None:
    async with serving(tmp_path, token=token) as site:
        assert (await site.get(path, peer, **headers)).status_code == status
        assert (await site.get("/ready", peer, **headers)).status_code == 200


async def test_queries_need_the_token(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        for headers, status in (
            ({}, 403),
            ({"authorization": "Bearer x"}, 403),
            ({"authorization": "Bearer query-token"}, 200),
        ):
            response = await site.client.post(
                "/api/query", data="SELECT 1", headers=headers, **site.local
            )
            assert response.status_code == status
        assert await response.get_data(as_text=True) == "SELECT 1\n"


async def test_a_preflight(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        response = await site.client.options("/api/event")
        assert response.status_code == 204
        assert "POST" in response.headers["access-control-allow-methods"]
        assert response.headers["access-control-allow-headers"]
        assert await response.get_data() == b""


async def test_a_bug_tells_nothing(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("203.0.113.9")

    async with serving(tmp_path) as site:
        monkeypatch.setattr("ingest.http.app.resolve_client_ip", fail)
        response = await site.send()
        assert response.status_code == 500
        assert await response.get_json() == {"errors": {"request": ["Internal error"]}}


async def test_a_slow_body_is_given_up(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        async with site.client.request("/api/event", method="POST", headers=CHROME) as connection:
            await connection.send(b"{")
            response = await connection.as_response()
        assert response.status_code == 408
        assert trio.current_time() == pytest.approx(10, abs=1)

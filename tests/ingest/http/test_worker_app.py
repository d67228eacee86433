"""The routes of a worker: whom they answer, and with what."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr
from quart import Response

from ingest.http.operator import Operator
from ingest.http.request_observers import CompletedRequest
from ingest.http.worker_app import create_worker_app
from ingest.request.client_address import TrustedProxies
from ingest.telemetry.metrics import Metrics
from tests.ingest.http.application import COMMAND_TOKEN, HTTPAnswer

HERE = "127.0.0.1"
ELSEWHERE = "203.0.113.9"
TOKEN = "a-long-enough-token"
REASON = "partition 3 is paused: message version 2"


class Report:
    """A worker that can be made unwell."""

    alive = True
    ready = True

    @property
    def liveness(self) -> str:
        return "ok" if self.alive else "an actor has failed for good"

    def readiness(self, *, detailed: bool) -> tuple[bool, dict[str, Any]]:
        partitions = {"status": "ok" if self.ready else "down", "owned": 4}
        if detailed and not self.ready:
            partitions["reason"] = REASON
        return self.ready, {"status": partitions["status"], "partitions": partitions}

    def status(self) -> dict[str, Any]:
        return {"partitions": {"3": {"lag": 17}}}


class Worker:
    """A worker's application, asked without sockets."""

    def __init__(self, token: str | None = None) -> None:
        self.report = Report()
        self.metrics = Metrics(lambda domain: False)
        self.seen: list[CompletedRequest] = []
        self.app = create_worker_app(
            self.report,
            self.metrics,
            Operator(None if token is None else SecretStr(token), COMMAND_TOKEN),
            "1.2.3",
            trusted_proxies=TrustedProxies.parse("private"),
            observers=[self.seen.append],
        )

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        peer: str = HERE,
    ) -> HTTPAnswer:
        client: Any = self.app.test_client()
        response: Response = await client.open(
            path, method=method, headers=dict(headers or {}), scope_base={"client": (peer, 50_000)}
        )
        content = await response.get_data(as_text=False)
        assert isinstance(content, bytes)
        return HTTPAnswer(response.status_code, response.headers, content)


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.mark.parametrize(
    ("alive", "status", "text"), [(True, 200, "ok"), (False, 503, "an actor has failed for good")]
)
async def test_liveness(worker: Worker, alive: bool, status: int, text: str) -> None:
    worker.report.alive = alive
    answer = await worker.ask("/health", peer=ELSEWHERE)
    assert (answer.status, answer.json) == (status, {"status": text})


async def test_only_operators_are_told_why_it_is_not_ready(worker: Worker) -> None:
    assert (await worker.ask("/ready")).status == 200
    worker.report.ready = False
    for_all = await worker.ask("/ready", peer=ELSEWHERE)
    assert (for_all.status, for_all.json["partitions"]) == (503, {"status": "down", "owned": 4})
    for_operators = await worker.ask("/ready")
    assert (for_operators.status, for_operators.json["partitions"]["reason"]) == (503, REASON)


async def test_metrics_count_requests(worker: Worker) -> None:
    await worker.ask("/made-up/by-a-client", peer=ELSEWHERE)
    answer = await worker.ask("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    figures = answer.body.decode()
    assert 'sluice_request_duration_seconds_count{route="(none)",status="404"} 1.0' in figures
    assert "made-up" not in figures


async def test_status(worker: Worker) -> None:
    answer = await worker.ask("/api/status")
    assert answer.json == {"version": "1.2.3", "partitions": {"3": {"lag": 17}}}


@pytest.mark.parametrize("path", ["/metrics", "/api/status"])
async def test_the_operators_routes(path: str) -> None:
    worker = Worker()
    assert (await worker.ask(path, peer=ELSEWHERE)).status == 403
    assert (await worker.ask(path, headers={"host": "rebound.example"})).status == 403
    worker = Worker(TOKEN)
    refused = await worker.ask(path)
    assert (refused.status, refused.headers.getlist("www-authenticate")[0]) == (401, "Bearer")
    allowed = await worker.ask(path, headers={"authorization": f"Bearer {TOKEN}"}, peer=ELSEWHERE)
    assert allowed.status == 200
    for answer in (refused, allowed):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/api/event", 404),
        ("POST", "/api/events", 404),
        ("GET", "/api/health", 404),
        ("GET", "/openapi.json", 404),
        ("POST", "/api/query", 404),
        ("GET", "//api//status", 404),
        ("POST", "/ready", 405),
        ("DELETE", "/api/status", 405),
    ],
)
async def test_there_is_nothing_else(worker: Worker, method: str, path: str, status: int) -> None:
    answer = await worker.ask(path, method=method)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json["errors"]) == ["request"]
    assert answer.headers["x-request-id"]


async def test_a_bug_is_answered_without_a_leak(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> dict[str, Any]:
        raise ZeroDivisionError(ELSEWHERE)

    monkeypatch.setattr(worker.report, "status", fail)
    answer = await worker.ask("/api/status")
    assert (answer.status, answer.json) == (500, {"errors": {"request": ["Internal error"]}})


@pytest.mark.parametrize(("peer", "parent"), [("10.0.0.1", "00-ab-cd-01"), (ELSEWHERE, None)])
async def test_observers_see_the_parent_that_a_trusted_proxy_names(
    worker: Worker, peer: str, parent: str | None
) -> None:
    headers = {"traceparent": "00-ab-cd-01", "x-request-id": "from-a-proxy"}
    answer = await worker.ask("/nowhere", headers=headers, peer=peer)
    assert (answer.headers["x-request-id"] == "from-a-proxy") is (parent is not None)
    (seen,) = worker.seen
    assert (seen.route, seen.status, seen.traceparent) == ("(none)", 404, parent)

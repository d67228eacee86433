"""Requests and their responses (spec/ingestion.md §1, §3 and §11)."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.stores.store import QueryRefused, StoreUnavailable
from ingest.http.base_app import QUERY_STRING_BYTES
from ingest.http.interruption import ENDS
from ingest.model.event import Event, EventRequest
from ingest.request.body import BODY_LIMIT
from tests.actors.pipeline.running_pipeline import Pipeline, fail_once
from tests.ingest.http.application import (
    CHROME,
    COMMAND_TOKEN,
    EVENT,
    PEER,
    Application,
    HTTPAnswer,
)

UNPARSABLE = {"errors": {"request": ["Unable to parse request body as json"]}}
TOO_LONG = b" " * (BODY_LIMIT + 1)


async def test_an_event_is_taken(autojump_clock: MockClock, application: Application) -> None:
    answer = await application.post()
    assert (answer.status, answer.body) == (202, b"ok")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "x-plausible-dropped" not in answer.headers
    await trio.sleep(6)
    (event,) = application.pipeline.events()
    assert (event["pathname"], event["browser"]) == ("/page", "Chrome")


@pytest.mark.parametrize(
    ("domains", "dropped"),
    [
        ("example.com", None),
        ("unknown.example", "1"),
        ("example.com,unknown.example", "1"),
        ("a.example,b.example,c.example", "3"),
        ("unknown.example,unknown.example", "2"),
    ],
)
async def test_dropped_events_are_told_by_number_only(
    autojump_clock: MockClock, application: Application, domains: str, dropped: str | None
) -> None:
    answer = await application.post(domain=domains)
    assert (answer.status, answer.body) == (202, b"ok")
    assert answer.headers.get("x-plausible-dropped") == dropped


async def test_a_bot_is_dropped_by_its_user_agent(
    autojump_clock: MockClock, application: Application
) -> None:
    answer = await application.post({"user-agent": "Googlebot/2.1"})
    assert (answer.status, answer.headers["x-plausible-dropped"]) == (202, "1")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "expected"),
    [
        ("text/plain", b"", 400, UNPARSABLE),
        ("text/plain", b"{", 400, UNPARSABLE),
        ("text/plain", b"[]", 400, UNPARSABLE),
        ("text/plain", b"{}", 400, None),
        ("application/json", b"{", 400, UNPARSABLE),
        ("text/plain", TOO_LONG, 400, UNPARSABLE),
        (None, TOO_LONG, 400, UNPARSABLE),
        ("application/json", TOO_LONG, 413, None),
        ("application/x-www-form-urlencoded", TOO_LONG, 413, None),
        ("application/json", json.dumps(EVENT).encode().ljust(BODY_LIMIT), 202, None),
        (
            "application/x-www-form-urlencoded",
            b"n=x&d=example.com&u=https://example.com/",
            202,
            None,
        ),
    ],
)
async def test_bodies(
    autojump_clock: MockClock,
    application: Application,
    content_type: str | None,
    body: bytes,
    status: int,
    expected: Any,
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await application.ask("POST", "/api/event", body, headers)
    assert answer.status == status
    if expected is not None:
        assert answer.json == expected


async def test_every_mistake_is_named_and_counted(
    autojump_clock: MockClock, application: Application
) -> None:
    answer = await application.post(name="", url=3)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"
    errors = answer.json["errors"]
    assert set(errors) >= {"event_name", "url"}
    registry = application.pipeline.collector.metrics.registry
    for field in errors:
        assert registry.get_sample_value("sluice_validation_errors_total", {"field": field}) == 1


async def test_a_body_that_is_too_long_is_not_waited_for(
    autojump_clock: MockClock, application: Application
) -> None:
    """Its length need not be known beforehand."""
    client = application.app.test_client()
    async with client.request(
        "/api/event", method="POST", headers={"content-type": "application/json"}
    ) as connection:
        await connection.send(b" " * BODY_LIMIT)
        await connection.send(b"  ")
        with trio.fail_after(1):
            response = await connection.as_response()
    assert response.status_code == 413


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    autojump_clock: MockClock, application: Application
) -> None:
    client = application.app.test_client()
    async with client.request(
        "/api/event", method="POST", headers={"content-type": "text/plain"}
    ) as connection:
        await connection.send(b"{")
        with trio.fail_after(11):
            response = await connection.as_response()
    assert response.status_code == 408
    assert response.headers["connection"] == "close"
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("accept", "status"),
    [("*/*", 202), ("application/json", 202), ("text/html", 406), ("text/html, */*;q=0.1", 202)],
)
async def test_clients_must_take_json(
    autojump_clock: MockClock, application: Application, accept: str, status: int
) -> None:
    assert (await application.post({"accept": accept})).status == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/events", 405),
        ("POST", "/api/event/", 404),
        ("POST", "//api//event", 404),
        ("GET", "/api/event", 405),
        ("PUT", "/api/event", 405),
        ("POST", "/health", 405),
        ("GET", "/api/query", 405),
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/api/health", 200),
        ("GET", "/api/system/health/ready", 200),
        ("GET", "/api/system/health/live", 200),
        ("GET", "/api/system", 200),
        ("GET", "/api/error", 200),
        ("GET", "/api/error?message=x", 200),
        ("POST", "/api/error", 405),
        ("GET", "/", 403),
        ("GET", "/page/page.js", 403),
        ("GET", "/favicon.ico", 403),
        ("GET", "/api/status", 403),
        ("GET", "/stats/example.com", 403),
        ("GET", "/api/stats", 403),
        ("GET", "/metrics", 403),
        ("GET", "/openapi.json", 403),
        ("POST", "/api/query", 403),
        ("POST", "/", 405),
        ("DELETE", "/api/status", 405),
    ],
)
async def test_routes(
    autojump_clock: MockClock, application: Application, method: str, path: str, status: int
) -> None:
    answer = await application.ask(method, path)
    assert answer.status == status
    if status == 403:
        assert is_private(answer)
    else:
        assert answer.headers["access-control-allow-origin"] == "*"
    if status >= 400:
        (messages,) = answer.json["errors"].values()
        assert messages
    if status == 405:
        assert "OPTIONS" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("headers", "changes", "status"),
    [
        ({}, {}, 202),
        ({}, {"name": ""}, 400),
        ({"accept": "text/html"}, {}, 406),
        ({"content-type": "application/json"}, {"props": {"a": "x" * BODY_LIMIT}}, 413),
    ],
)
async def test_any_page_may_read_every_response(
    autojump_clock: MockClock,
    application: Application,
    headers: dict[str, str],
    changes: dict[str, Any],
    status: int,
) -> None:
    answer = await application.post({"origin": "https://example.com", **headers}, **changes)
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-plausible-dropped" in answer.headers["access-control-expose-headers"]


def is_private(answer: HTTPAnswer) -> bool:
    """Whether no page of another origin may read, run or show the answer, nor a cache keep it."""
    headers = answer.headers
    return (
        not [name for name, _ in headers.items() if name.lower().startswith("access-control-")]
        and headers["x-content-type-options"] == "nosniff"
        and headers["cross-origin-resource-policy"] == "same-origin"
        and headers["referrer-policy"] == "no-referrer"
        and "frame-ancestors 'none'" in headers["content-security-policy"]
        and headers["cache-control"] in ("no-store", "private, no-cache")
    )


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/page/page.js", "/favicon.ico", "/api/status", "/metrics", "/openapi.json"),
        *("/stats/example.com", "/api/stats"),
    ],
)
async def test_what_is_the_operators_is_for_no_other_page(
    autojump_clock: MockClock, application: Application, path: str
) -> None:
    answer = await application.ask("GET", path, peer="127.0.0.1")
    assert answer.status == 200
    assert is_private(answer)
    preflight = await application.ask("OPTIONS", path, headers={"origin": "https://example.com"})
    assert is_private(preflight)
    assert preflight.body == b""


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("/api/event", "https://example.com"),
        ("/api/events", "https://example.com"),
        ("/ready", "*"),
        ("/nowhere", "*"),
    ],
)
async def test_preflights(
    autojump_clock: MockClock, application: Application, path: str, origin: str
) -> None:
    answer = await application.ask(
        "OPTIONS",
        path,
        headers={
            "origin": "https://example.com",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        },
    )
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers.getlist("access-control-allow-origin") == [origin]
    assert ("access-control-allow-credentials" in answer.headers) is (origin != "*")
    assert answer.headers["vary"] == "origin"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "content-type" in answer.headers["access-control-allow-headers"]
    assert int(answer.headers["access-control-max-age"]) > 0


async def test_a_preflight_without_an_origin(
    autojump_clock: MockClock, application: Application
) -> None:
    answer = await application.ask("OPTIONS", "/api/event")
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "origin"


async def test_answers_to_events_are_for_every_origin(
    autojump_clock: MockClock, application: Application
) -> None:
    for answer in (
        await application.post({"origin": "https://example.com"}),
        await application.post({"origin": "https://example.com"}, name=""),
    ):
        assert answer.headers.getlist("access-control-allow-origin") == ["*"]
        assert "access-control-allow-credentials" not in answer.headers


def refuses(answer: Any) -> bool:
    return (
        answer.status == 503
        and answer.headers["retry-after"] == "5"
        and answer.headers["access-control-allow-origin"] == "*"
        and list(answer.json["errors"]) == ["request"]
    )


async def test_a_closed_pipeline_refuses(
    autojump_clock: MockClock, application: Application
) -> None:
    application.pipeline.collector.intake.close()
    assert refuses(await application.post())


async def test_a_full_pipeline_refuses(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, _inbox = trio.open_memory_channel[Sequence[Event]](0)
    monkeypatch.setattr(application.pipeline.collector.intake, "_outlet", full)
    assert refuses(await application.post())
    monkeypatch.undo()
    assert (await application.post()).status == 202


async def test_a_pipeline_that_gives_no_verdict_refuses(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.pipeline.front.gate, "handle", lambda message: None)
    assert refuses(await application.post())
    assert len(application.pipeline.front.verdicts) == 0


async def fail_for_good(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    collector = application.pipeline.collector
    monkeypatch.setattr(collector.front.enrichment, "send_handled", fail)
    while collector.supervisor.healthy:
        await application.post()
        await trio.sleep(0.5)


async def test_a_failed_actor_refuses(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fail_for_good(application, monkeypatch)
    assert refuses(await application.post())
    answer = await application.ask("GET", "/health")
    assert (answer.status, answer.json) == (503, {"status": "an actor has failed for good"})
    answer = await application.ask("GET", "/ready")
    assert (answer.status, answer.json["status"]) == (503, "down")
    assert answer.json["actors"]["status"] == "down"


async def test_a_bug_is_answered_without_a_leak(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fail_once(application.pipeline.collector.intake, "send", monkeypatch)
    answer = await application.post()
    assert failed()
    assert answer.status == 500
    assert answer.json == {"errors": {"request": ["Internal error"]}}
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (await application.post()).status == 202


async def test_a_bug_is_logged_without_address_and_agent(
    autojump_clock: MockClock,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(event_request: EventRequest, **_: object) -> None:
        raise ZeroDivisionError(event_request)

    monkeypatch.setattr(application.pipeline.collector.intake, "send", fail)
    assert (await application.post()).status == 500
    logged = "".join(capsys.readouterr())
    assert "ZeroDivisionError" in logged
    assert PEER not in logged
    assert CHROME not in logged


ADMIN_ROUTES = ["/metrics", "/openapi.json"]


@pytest.mark.parametrize("path", ADMIN_ROUTES)
async def test_operators_pages_without_a_token(
    autojump_clock: MockClock, application: Application, path: str
) -> None:
    assert (await application.ask("GET", path, peer="127.0.0.1")).status == 200
    assert (await application.ask("GET", path)).status == 403
    forwarded = await application.ask(
        "GET", path, headers={"x-forwarded-for": "127.0.0.1"}, peer="127.0.0.1"
    )
    assert forwarded.status == 403


@pytest.mark.parametrize("path", ADMIN_ROUTES)
async def test_operators_pages_with_a_token(
    autojump_clock: MockClock, pipeline: Pipeline, path: str
) -> None:
    application = Application(pipeline, token="a-long-token")
    for headers in ({}, {"authorization": "Bearer another"}):
        answer = await application.ask("GET", path, headers=headers, peer="127.0.0.1")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    answer = await application.ask("GET", path, headers={"authorization": "Bearer a-long-token"})
    assert answer.status == 200


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer a-long-token"}])
async def test_readiness_needs_no_token(
    autojump_clock: MockClock, pipeline: Pipeline, headers: dict[str, str]
) -> None:
    application = Application(pipeline, token="a-long-token")
    assert (await application.ask("GET", "/ready", headers=headers)).status == 200


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}])
async def test_queries_are_refused_without_their_token(
    autojump_clock: MockClock, application: Application, headers: dict[str, str]
) -> None:
    answer = await application.ask("POST", "/api/query", b"SELECT 1", headers, peer="127.0.0.1")
    assert answer.status == 403


async def test_metrics_tell_routes_apart_by_rule(
    autojump_clock: MockClock, application: Application
) -> None:
    await application.post()
    await application.ask("GET", "/made-up/by-a-client")
    answer = await application.ask("GET", "/metrics", peer="::1")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    figures = answer.body.decode()
    assert 'sluice_request_duration_seconds_count{route="/api/event",status="202"} 1.0' in figures
    assert 'sluice_request_duration_seconds_count{route="(none)",status="404"} 1.0' in figures
    assert "made-up" not in figures


async def test_the_description_names_the_version(
    autojump_clock: MockClock, application: Application
) -> None:
    answer = await application.ask("GET", "/openapi.json", peer="127.0.0.1")
    assert answer.json["info"]["version"] == "1.2.3"
    assert "/api/event" in answer.json["paths"]


BEARER = {"authorization": f"Bearer {COMMAND_TOKEN}"}


async def test_queries_need_their_token(
    autojump_clock: MockClock, application: Application
) -> None:
    answer = await application.ask("POST", "/api/query", b"SELECT 1", BEARER)
    assert (answer.status, answer.body) == (200, b"SELECT 1\n")
    assert answer.headers["content-type"] == "application/x-ndjson"
    refused = await application.ask("POST", "/api/query", b"SELECT 1", peer="127.0.0.1")
    assert refused.status == 403


@pytest.mark.parametrize(
    ("failure", "status"), [(QueryRefused("no such table"), 400), (StoreUnavailable("gone"), 503)]
)
async def test_queries_that_fail_say_why(
    autojump_clock: MockClock,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    status: int,
) -> None:
    async def fail(sql: str) -> list[str]:
        raise failure

    monkeypatch.setattr(application.pipeline.store, "query", fail)
    answer = await application.ask("POST", "/api/query", b"SELECT", BEARER)
    assert (answer.status, answer.json) == (status, {"errors": {"query": [str(failure)]}})


async def test_a_query_ends_when_nobody_waits_for_it(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = trio.Event()

    async def query(sql: str) -> list[str]:
        hung_up.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()
        raise AssertionError

    hung_up = trio.Event()
    monkeypatch.setattr(application.pipeline.store, "query", query)
    scope = {"state": {ENDS: (hung_up,)}}
    answer = await application.ask("POST", "/api/query", b"SELECT 1", BEARER, scope=scope)
    assert answer.status == 503
    assert ended.is_set()


async def test_a_query_that_is_too_long(
    autojump_clock: MockClock, application: Application
) -> None:
    assert (await application.ask("POST", "/api/query", TOO_LONG, BEARER)).status == 413


async def visitors(application: Application) -> list[Any]:
    """The ids of the visitors that were stored, in the order of their events."""
    await trio.sleep(6)
    return [event["user_id"] for event in application.pipeline.events()]


async def test_of_listed_proxies_the_right_most_stranger_is_the_visitor(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    application = Application(pipeline, trusted="203.0.113.0/24")
    for forwarded in ("192.0.2.1", "192.0.2.66, 192.0.2.1", "192.0.2.1, 203.0.113.4", "192.0.2.2"):
        await application.post({"x-forwarded-for": forwarded})
    first, *others, last = await visitors(application)
    assert others == [first] * 2
    assert last != first


async def test_without_a_list_the_left_most_is_the_visitor(
    autojump_clock: MockClock, application: Application
) -> None:
    for forwarded in ("192.0.2.1", "192.0.2.1, 192.0.2.66", "192.0.2.66, 192.0.2.1"):
        await application.post({"x-forwarded-for": forwarded})
    first, second, third = await visitors(application)
    assert first == second != third


@pytest.mark.parametrize("flood", [0, 3])
async def test_floods_are_refused(
    autojump_clock: MockClock, pipeline: Pipeline, flood: int
) -> None:
    application = Application(pipeline, flood=flood)
    metrics = pipeline.collector.metrics.registry
    for _ in range(3):
        assert (await application.post()).status == 202
    answer = await application.post()
    if not flood:
        assert answer.status == 202
        return
    assert (answer.status, answer.headers["retry-after"]) == (429, "20")
    assert answer.json == {"errors": {"request": ["Too many requests from this address"]}}
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    refused = metrics.get_sample_value("sluice_requests_refused_total", {"reason": "flood"})
    assert refused == 1
    assert (await application.post({"x-forwarded-for": "192.0.2.1"})).status == 202
    for method, path in (("OPTIONS", "/api/event"), ("GET", "/health")):
        assert (await application.ask(method, path)).status < 300
    await trio.sleep(20)
    assert (await application.post()).status == 202
    assert (await application.post()).status == 429


async def test_requests_that_are_wrong_count_as_a_flood_too(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    application = Application(pipeline, flood=2)
    answers = [await application.ask("POST", "/api/event", b"{") for _ in range(3)]
    assert [answer.status for answer in answers] == [400, 400, 429]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/drops", 414), ("GET", "/metrics", 414), ("POST", "/api/event", 202)],
)
async def test_long_parameters_are_not_parsed(
    autojump_clock: MockClock, application: Application, method: str, path: str, status: int
) -> None:
    body = json.dumps(EVENT).encode()
    longest, longer = "a" * QUERY_STRING_BYTES, "a" * (QUERY_STRING_BYTES + 1)
    answer = await application.ask(method, f"{path}?{longest}", body, peer="127.0.0.1")
    assert answer.status in (200, 202)
    answer = await application.ask(method, f"{path}?{longer}", body, peer="127.0.0.1")
    assert answer.status == status

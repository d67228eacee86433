import json
from typing import Any

import pytest
from trio.testing import MockClock

from ingest.http.validation import VALIDATED_BYTES
from ingest.request.body import BODY_LIMIT
from tests.actors.pipeline.running_pipeline import Pipeline
from tests.ingest.http.application import CHROME, COMMAND_TOKEN, EVENT, Application, HTTPAnswer

ROUTE = "/api/event/validate"
BEARER = {"authorization": f"Bearer {COMMAND_TOKEN}"}
PLAIN = {"content-type": "text/plain"}


async def validate(
    application: Application,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    **changes: Any,
) -> HTTPAnswer:
    sent = json.dumps(EVENT | changes).encode() if body is None else body
    return await application.ask("POST", ROUTE, sent, PLAIN | BEARER | (headers or {}))


async def test_an_event_is_explained_and_not_stored(
    autojump_clock: MockClock, application: Application
) -> None:
    report = (await validate(application, p={"plan": "pro"})).json
    assert report["answer"] == {"status": 202, "headers": {}}
    assert report["request"]["fields"]["props"] == {"plan": "pro"}
    assert report["request"]["keys"]["p"] == "props"
    (trace,) = report["domains"]
    assert trace["accepted"] is True
    assert trace["visit"]["begins"] is True
    assert trace["rows"]["events_v2"][0]["browser"] == "Chrome"
    pipeline = application.pipeline
    assert len(pipeline.storing.partition.sessions.fold.sessions) == 0
    assert pipeline.collector.broadcast.recent.accepted(lambda _: True) == []
    pipeline.collector.drain(5)
    assert pipeline.counted() == {}


async def test_each_domain_has_a_trace(autojump_clock: MockClock, application: Application) -> None:
    report = (await validate(application, domain="example.com,nowhere.example")).json
    assert [trace["reason"] for trace in report["domains"]] == [None, "not_found"]
    assert report["answer"]["headers"] == {
        "x-plausible-dropped": "1",
        "x-sluice-drop-reasons": 'nowhere.example=not_found;rule="no site has the domain"',
    }
    assert application.pipeline.collector.broadcast.recent.drops(lambda _: True) == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"{}", {}, id="fields"),
        pytest.param(b"{", {}, id="no JSON"),
        pytest.param(b"[]", {}, id="no object"),
        pytest.param(b"n=&u=x", {"content-type": "application/x-www-form-urlencoded"}, id="form"),
        pytest.param(b" " * (BODY_LIMIT + 1), {}, id="too long"),
        pytest.param(
            b" " * (BODY_LIMIT + 1), {"content-type": "application/json"}, id="too long, JSON"
        ),
        pytest.param(b"{}", {"accept": "text/html"}, id="not acceptable"),
    ],
)
async def test_mistakes_are_those_of_the_endpoint_and_not_counted(
    autojump_clock: MockClock, application: Application, body: bytes, headers: dict[str, str]
) -> None:
    told = await validate(application, body, headers)
    sample = application.pipeline.collector.metrics.registry.get_sample_value
    for field in ("request", "event_name", "url"):
        assert not sample("sluice_validation_errors_total", {"field": field})
    real = await application.ask("POST", "/api/event", body, PLAIN | headers)
    assert (told.status, told.json["errors"]) == (real.status, real.json["errors"])


@pytest.mark.parametrize(("length", "status"), [(VALIDATED_BYTES, 200), (VALIDATED_BYTES + 1, 413)])
async def test_large_events_are_not_traced(
    autojump_clock: MockClock, application: Application, length: int, status: int
) -> None:
    body = json.dumps(EVENT).encode().ljust(length)
    told = await validate(application, body, {})
    assert told.status == status


async def test_mistakes_come_with_what_was_understood(
    autojump_clock: MockClock, application: Application
) -> None:
    report = (await validate(application, name="", dd=1)).json
    understood = report["understood"]
    assert understood["request"]["fields"] == {"url": EVENT["url"], "domains": ["example.com"]}
    assert understood["request"]["keys_ignored"] == ["dd"]
    assert understood["client"]["source"] == "peer"


async def test_the_same_answer_as_the_endpoint(
    autojump_clock: MockClock, application: Application
) -> None:
    for changes in ({}, {"domain": "a.example,example.com"}, {"name": "engagement", "sd": 3}):
        told = (await validate(application, **changes)).json["answer"]
        real = await application.post(BEARER, **changes)
        assert told["status"] == real.status
        assert told["headers"] == {
            name: value for name, value in real.headers.items() if name in told["headers"]
        }
        assert real.headers.get("x-plausible-dropped") == told["headers"].get("x-plausible-dropped")
        application.pipeline.storing.partition.sessions.fold.sessions.clear()


async def test_a_pipeline_that_takes_nothing(
    autojump_clock: MockClock, application: Application
) -> None:
    application.pipeline.collector.intake.close()
    report = (await validate(application)).json
    assert report["answer"] == {"status": 503, "headers": {"retry-after": "5"}}
    assert report["domains"][0]["accepted"] is True


async def test_the_address_is_told_by_its_header_and_kind(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    for trusted, source, network in (
        ("all", "x-forwarded-for", "198.51.100.0/24"),
        ("private", "peer", "203.0.113.0/24"),
        ("203.0.113.0/24", "x-forwarded-for", "192.0.2.0/24"),
    ):
        application = Application(pipeline, trusted=trusted)
        headers = {"x-forwarded-for": "198.51.100.77, 192.0.2.7"}
        answer = await validate(application, headers=headers)
        assert answer.json["client"]["source"] == source
        assert answer.json["client"]["network"] == network
        for secret in (b"198.51.100.77", b"192.0.2.7", b"203.0.113.9", CHROME.encode()):
            assert secret not in answer.body


@pytest.mark.parametrize(
    ("token", "headers", "peer", "status"),
    [
        (None, {}, "203.0.113.9", 403),
        (None, {}, "127.0.0.1", 200),
        (None, {"x-forwarded-for": "203.0.113.9"}, "127.0.0.1", 403),
        (None, BEARER | {"x-forwarded-for": "203.0.113.9"}, "127.0.0.1", 200),
        ("admin-token-of-sixteen", {}, "127.0.0.1", 401),
        ("admin-token-of-sixteen", {"authorization": "Bearer admin-token-of-sixteen"}, "::", 200),
        ("admin-token-of-sixteen", BEARER, "127.0.0.1", 200),
    ],
)
async def test_it_answers_the_operator_only(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    token: str | None,
    headers: dict[str, str],
    peer: str,
    status: int,
) -> None:
    application = Application(pipeline, token=token)
    body = json.dumps(EVENT).encode()
    answer = await application.ask("POST", ROUTE, body, PLAIN | headers, peer=peer)
    assert answer.status == status


async def test_reasons_are_told_to_those_who_sign(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    application = Application(pipeline, token="admin-token-of-sixteen")
    name = "x-sluice-drop-reasons"
    domains = "example.com,nowhere.example"
    for token, told in (
        ("admin-token-of-sixteen", True),
        (COMMAND_TOKEN, True),
        ("admin-token-of-sixteem", False),
        ("", False),
    ):
        signed = {"authorization": f"Bearer {token}"}
        assert (name in (await application.post(signed, domain=domains)).headers) is told
    accepted = await application.post({"authorization": f"Bearer {COMMAND_TOKEN}"})
    assert name not in accepted.headers
    assert name not in (await application.post(domain=domains)).headers

import gzip
import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.pipeline.verdicts import Ticket
from ingest.http.batch_endpoint import (
    AT_A_TIME,
    SMALL,
    TOGETHER,
    TURN_SECONDS,
    UNPACKED_AT_ONCE,
)
from ingest.model.verdict import LATE, DropReason, Verdict
from ingest.request.batch import read_item
from ingest.sites.site import Site, SiteRegistry
from tests.actors.pipeline.running_pipeline import Pipeline
from tests.examples import NOON
from tests.ingest.http.application import Application, HTTPAnswer

KEY = "the-key-of-example-com"
TOKEN = "the-operators-own-token"
OWNER = {"authorization": f"Bearer {KEY}"}
EVENT = {"n": "pageview", "u": "https://example.com/a", "d": "example.com"}
DAY = 86_400


@pytest.fixture
def pipeline(pipeline: Pipeline) -> Pipeline:
    pipeline.reference.registry = SiteRegistry(
        [Site(1, "example.com", server_key=KEY), Site(2, "other.example", server_key="x" * 20)]
    )
    return pipeline


async def send(
    pipeline: Pipeline, *items: object, token: str | None = None, **headers: str
) -> HTTPAnswer:
    return await send_body(pipeline, json.dumps(items).encode(), token=token, **headers)


async def send_body(
    pipeline: Pipeline, body: bytes, *, token: str | None = None, **headers: str
) -> HTTPAnswer:
    application = Application(pipeline, token=token)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await application.ask(
        "POST", "/api/events", body, {"content-type": "application/json", **named}
    )


async def stored(pipeline: Pipeline) -> list[dict[str, Any]]:
    await trio.sleep(6)
    return pipeline.events()


async def test_each_event_has_its_verdict(autojump_clock: MockClock, pipeline: Pipeline) -> None:
    answer = await send(
        pipeline,
        EVENT,
        {**EVENT, "d": "nowhere.example"},
        {**EVENT, "u": None},
        {**EVENT, "d": "example.com,nowhere.example"},
        5,
    )
    assert answer.status == 202
    assert answer.json == {
        "accepted": 2,
        "dropped": 1,
        "invalid": 2,
        "unavailable": 0,
        "results": [
            {"status": "accepted"},
            {"status": "dropped", "reasons": {"nowhere.example": "not_found"}},
            {"status": "invalid", "errors": {"url": ["is required"]}},
            {"status": "accepted", "reasons": {"nowhere.example": "not_found"}},
            {"status": "invalid", "errors": {"event": ["expected a JSON object"]}},
        ],
    }
    assert len(await stored(pipeline)) == 2
    sample = pipeline.collector.metrics.registry.get_sample_value
    assert sample("sluice_validation_errors_total", {"field": "url"}) == 1


@pytest.mark.parametrize("count", [1, TOGETHER, TOGETHER + 1, 5000])
async def test_many_events_keep_their_order(
    autojump_clock: MockClock, pipeline: Pipeline, count: int
) -> None:
    items = [{**EVENT, "u": f"https://example.com/{number}"} for number in range(count)]
    body = b"\n".join(json.dumps(item).encode() for item in items)
    answer = await send_body(pipeline, body, content_type="application/x-ndjson")
    assert (answer.status, answer.json["accepted"]) == (202, count)
    pages = [event["pathname"] for event in await stored(pipeline)]
    assert pages == [f"/{number}" for number in range(count)]


async def test_events_of_many_domains_keep_their_order(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    items = [
        {
            **EVENT,
            "u": f"https://example.com/{number}",
            "d": ",".join(["example.com"] * 99 + [site]),
        }
        for number, site in enumerate(["example.com", "nowhere.example", "x.example"] * 2)
    ]
    answer = await send(pipeline, *items)
    assert [result.get("reasons", {}) for result in answer.json["results"]] == [
        {},
        {"nowhere.example": "not_found"},
        {"x.example": "not_found"},
    ] * 2
    pages = [event["pathname"] for event in await stored(pipeline)]
    assert pages == [f"/{number}" for number in range(6) for _ in range(99 + (number % 3 == 0))]


@pytest.mark.parametrize("size", [1, 4 * UNPACKED_AT_ONCE])
async def test_compressed(autojump_clock: MockClock, pipeline: Pipeline, size: int) -> None:
    body = gzip.compress(json.dumps([{**EVENT, "x": f"{7**size:x}"}] * 3).encode())
    answer = await send_body(pipeline, body, content_encoding="gzip")
    assert (answer.status, answer.json["accepted"]) == (202, 3)


async def test_an_error_of_compression_in_a_thread(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    answer = await send_body(pipeline, b"x" * 2 * UNPACKED_AT_ONCE, content_encoding="gzip")
    assert answer.status == 400
    assert answer.json == {"errors": {"request": ["Unable to decompress: not gzip"]}}


@pytest.mark.parametrize("body", [b"[" + b"," * 500_001, b"[" * 100_001, b"{" * 100_001])
async def test_too_many_values(autojump_clock: MockClock, pipeline: Pipeline, body: bytes) -> None:
    answer = await send_body(pipeline, body)
    assert answer.status == 400
    assert "more than" in answer.json["errors"]["request"][0]


async def test_events_of_the_past_have_visits_of_their_own(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    now = pipeline.clock.seconds()

    def past(seconds: int, **fields: Any) -> dict[str, Any]:
        return {**EVENT, "timestamp": now - 3 * DAY + seconds, "ip": "192.0.2.7", **fields}

    answer = await send(
        pipeline,
        {**EVENT, "ip": "192.0.2.7"},
        past(0),
        past(60, u="https://example.com/b"),
        {**EVENT, "ip": "192.0.2.7"},
        past(90, n="engagement", sd=50, e=1000),
        past(4000),
        **OWNER,
    )
    assert answer.json["accepted"] == 6, answer.json
    live, first, second, live_too, engagement, later = await stored(pipeline)
    assert live["session_id"] == live_too["session_id"]
    assert first["session_id"] == second["session_id"] == engagement["session_id"]
    assert len({event["session_id"] for event in (live, first, later)}) == 3
    assert first["user_id"] == later["user_id"] != live["user_id"]
    assert first["timestamp"] == now - 3 * DAY
    # Counted when they came, in one minute.
    await trio.sleep(20)
    rows = pipeline.store.rows["ingest_counters"]
    assert {row[0] // 3600 for row in rows} == {NOON // 3600}


async def test_a_visit_of_the_past_goes_on_over_midnight(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    midnight = NOON // DAY * DAY - 5 * DAY
    answer = await send(
        pipeline, *({**EVENT, "timestamp": midnight + seconds} for seconds in (-60, 60)), **OWNER
    )
    assert answer.json["accepted"] == 2
    assert len({event["session_id"] for event in await stored(pipeline)}) == 1


@pytest.mark.parametrize(
    ("headers", "token", "domain", "accepted"),
    [
        pytest.param({}, None, "example.com", False, id="no key"),
        pytest.param(OWNER, None, "example.com", True, id="the site's key"),
        pytest.param(OWNER, None, "other.example", False, id="another site's key"),
        pytest.param({"authorization": f"Basic {KEY}"}, None, "example.com", False, id="no bearer"),
        pytest.param(
            {"authorization": f"Bearer {TOKEN}"}, TOKEN, "other.example", True, id="the operator"
        ),
        pytest.param(
            {"authorization": f"Bearer {TOKEN}"}, None, "example.com", False, id="no operator set"
        ),
        pytest.param({"authorization": "Bearer "}, None, "example.com", False, id="an empty key"),
    ],
)
async def test_who_may_set_the_address(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    headers: dict[str, str],
    token: str | None,
    domain: str,
    accepted: bool,
) -> None:
    item = {**EVENT, "d": domain, "ip": "192.0.2.7"}
    answer = await send(pipeline, item, EVENT, token=token, **headers)
    assert answer.status == 202
    assert answer.json["results"][0]["status"] == ("accepted" if accepted else "invalid")
    assert answer.json["results"][1]["status"] == "accepted"


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"[]", {}, 400, "has no events"),
        (b"{", {}, 400, "Unable to parse request body as a JSON array or JSON lines"),
        (b"no gzip at all", {"content_encoding": "gzip"}, 400, "Unable to decompress: not gzip"),
        (b"x", {"content_encoding": "br"}, 415, "Must be coded in gzip, zstd or not at all"),
        (
            gzip.compress(b" " * 9_000_000),
            {"content_encoding": "gzip"},
            413,
            "Must not have more than 8000000 bytes",
        ),
        (b" " * 8_000_001, {}, 413, "Must be at most 8000000 bytes"),
        (b"[1]", {"accept": "text/html"}, 406, "Must accept application/json"),
    ],
)
async def test_refused_as_a_whole(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    body: bytes,
    headers: dict[str, str],
    status: int,
    message: str,
) -> None:
    answer = await send_body(pipeline, body, **headers)
    assert (answer.status, answer.json) == (status, {"errors": {"request": [message]}})


async def test_nothing_valid(autojump_clock: MockClock, pipeline: Pipeline) -> None:
    answer = await send(pipeline, {}, 5)
    assert (answer.status, answer.json["invalid"]) == (400, 2)


async def test_what_cannot_be_taken_is_said(
    autojump_clock: MockClock, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = pipeline.collector.intake.outcome
    calls = 0

    def fill_up(ticket: Ticket) -> list[Verdict]:
        nonlocal calls
        calls += 1
        if calls == 1:
            return outcome(ticket)
        return [Verdict(DropReason.PERSIST_TIMEOUT)] * len(ticket.verdicts)

    monkeypatch.setattr(pipeline.collector.intake, "outcome", fill_up)
    answer = await send(pipeline, *[EVENT] * (TOGETHER + 3))
    assert answer.status == 202
    assert (answer.json["accepted"], answer.json["unavailable"]) == (TOGETHER, 3)
    answer = await send(pipeline, EVENT)
    assert (answer.status, answer.json["unavailable"]) == (503, 1)
    assert answer.headers["retry-after"] == "5"
    pipeline.collector.intake.close()
    assert (await send(pipeline, EVENT)).status == 503


async def test_an_event_that_one_site_took_is_not_sent_again(
    autojump_clock: MockClock, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_one(ticket: Ticket) -> list[Verdict]:
        return [Verdict(), LATE]

    monkeypatch.setattr(pipeline.collector.intake, "outcome", take_one)
    answer = await send(pipeline, {**EVENT, "d": "example.com,other.example"})
    assert answer.status == 202
    assert answer.json["results"] == [
        {"status": "accepted", "reasons": {"other.example": "lock_timeout"}}
    ]


async def test_an_error_of_ours_hides_no_stored_event(
    autojump_clock: MockClock, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_at_the_last(item: Any, sender: Any) -> Any:
        if b"/last" in bytes(item):
            raise ZeroDivisionError
        return read_item(item, sender)

    monkeypatch.setattr("ingest.http.batch_endpoint.read_item", fail_at_the_last)
    last = {**EVENT, "u": "https://example.com/last"}
    answer = await send(pipeline, *[EVENT] * TOGETHER, last)
    assert (answer.status, answer.json["accepted"]) == (202, TOGETHER)
    assert answer.json["results"][-1] == {"status": "unavailable"}
    assert len(await stored(pipeline)) == TOGETHER
    assert (await send(pipeline, last)).status == 500


async def test_few_batches_at_a_time(
    autojump_clock: MockClock, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(*requests: Any) -> list[Verdict]:
        await trio.sleep(2 * TURN_SECONDS)
        return [Verdict()] * len(requests)

    monkeypatch.setattr(pipeline.collector.intake, "submit", wait)
    application = Application(pipeline)
    statuses: list[int] = []

    async def send_one(events: int = SMALL + 1) -> None:
        body = json.dumps([EVENT] * events).encode()
        answer = await application.ask("POST", "/api/events", body)
        statuses.append(answer.status)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_A_TIME + 1):
            nursery.start_soon(send_one)
            nursery.start_soon(send_one, SMALL)
    assert sorted(statuses) == [202] * (2 * AT_A_TIME + 1) + [503]
    await send_one()
    assert statuses[-1] == 202

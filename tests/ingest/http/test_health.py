"""What the health routes say of the pipeline's parts."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.letters.dead_letters import LETTERS_LIMIT
from actors.pipeline.flush import Flush
from ingest.model.verdict import ACCEPTED
from ingest.rows.batch import Insert
from ingest.rows.servers import Server
from tests.actors.fakes import an_outage
from tests.actors.pipeline.running_pipeline import Pipeline, fail_once
from tests.examples import NOON
from tests.ingest.http.application import Application

SECRET = "/srv/sites.toml: line 3"


async def test_all_is_well(autojump_clock: MockClock, application: Application) -> None:
    ready, report = application.health.readiness(detailed=True)
    assert ready
    assert report["status"] == "ok"
    assert {part: state["status"] for part, state in report.items() if part != "status"} == {
        "intake": "ok",
        "store": "ok",
        "sessions": "ok",
        "dead_letters": "ok",
        "actors": "ok",
        "registry": "ok",
        "geo_database": "ok",
        "journal": "ok",
        "other_servers": "ok",
    }
    assert report["registry"]["sites"] == 1
    assert report["geo_database"]["loaded"] is False
    assert application.health.liveness == "ok"
    assert set(application.health.plausible().values()) == {"ok"}


def break_sites(application: Application) -> None:
    application.sites.problem = SECRET


def break_geo(application: Application) -> None:
    assert application.geo is not None
    application.geo.problem = SECRET


def break_store(application: Application) -> None:
    application.pipeline.storing.writer.failures = 3
    application.pipeline.storing.writer.last_error = SECRET


def add_server(application: Application) -> None:
    application.others._others = {"directory": Server("process", "directory", SECRET)}


@pytest.mark.parametrize(
    ("break_it", "part"),
    [
        (break_sites, "registry"),
        (break_geo, "geo_database"),
        (break_store, "store"),
        (add_server, "other_servers"),
    ],
)
async def test_what_needs_care_is_degraded_and_explained_to_operators(
    autojump_clock: MockClock,
    pipeline: Pipeline,
    break_it: Callable[[Application], None],
    part: str,
) -> None:
    application = Application(pipeline, geo=True)
    break_it(application)
    for_all = await application.ask("GET", "/ready")
    assert (for_all.status, for_all.json["status"]) == (200, "degraded")
    assert for_all.json[part]["status"] == "degraded"
    assert "reason" not in for_all.json[part]
    assert SECRET not in for_all.body.decode()
    for_operators = await application.ask("GET", "/ready", peer="127.0.0.1")
    assert (for_operators.status, for_operators.json["status"]) == (200, "degraded")
    assert for_operators.json[part]["reason"]


async def test_an_outage_shows_until_it_is_over(
    autojump_clock: MockClock, application: Application
) -> None:
    pipeline = application.pipeline
    pipeline.store.outages = [an_outage() for _ in range(3)]
    assert (await application.post()).status == 202
    await trio.sleep(5.5)
    store = (await application.ask("GET", "/ready", peer="127.0.0.1")).json["store"]
    assert (store["status"], store["reason"]) == ("degraded", "connection refused")
    # An event, a session, and the count of what was accepted.
    assert store["rows_waiting"] == 3
    assert "reason" not in (await application.ask("GET", "/ready")).json["store"]
    plausible = await application.ask("GET", "/api/health")
    assert (plausible.status, plausible.json["clickhouse"]) == (500, "error")
    await trio.sleep(120)
    assert (await application.ask("GET", "/ready")).json["status"] == "ok"
    assert (await application.ask("GET", "/api/health")).status == 200


async def test_an_outage_makes_no_actor_stuck(
    autojump_clock: MockClock, application: Application, nursery: trio.Nursery
) -> None:
    pipeline = application.pipeline
    pipeline.store.outages = [an_outage() for _ in range(10_000)]
    counters = Insert("ingest_counters", ((NOON, "example.com", 1, "accepted", 1, ""),), "a")
    outlet = pipeline.storing.outlet()
    # The writer is busy with another's rows, so that all before it wait for room.
    nursery.start_soon(outlet.send, Flush((counters,)))
    for _ in range(600):
        assert await pipeline.send() == [ACCEPTED]
    await trio.sleep(300)
    report = (await application.ask("GET", "/ready")).json
    assert report["sessions"]["events_behind"] > 0
    assert (report["store"]["status"], report["actors"]["status"]) == ("degraded", "ok")
    pipeline.store.outages = []
    outlet.close()


@pytest.mark.parametrize("full", [True, False], ids=["no room", "no disk"])
async def test_a_fold_that_has_stopped_is_down_until_it_goes_on(
    autojump_clock: MockClock,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    full: bool,
) -> None:
    collector = application.pipeline.collector

    def refuse(*_: Any, **__: Any) -> bool:
        return False

    def write(writings: Sequence[Any]) -> list[Exception]:
        return [OSError(5, "Input/output error") for _ in writings]

    with monkeypatch.context() as patch:
        if full:
            patch.setattr(collector.letters, "keep", refuse)
        else:
            patch.setattr(collector.letters.directory, "write", write)
        failed = fail_once(application.pipeline.storing.partition.sessions.fold, "take", patch)
        nothing = await application.post()
        assert failed()
        assert nothing.status == 202
        await trio.sleep(60)
        for_all = await application.ask("GET", "/ready")
        assert (for_all.status, for_all.json["sessions"]["status"]) == (503, "down")
        assert "reason" not in for_all.json["sessions"]
        _, report = application.health.readiness(detailed=True)
        assert "dead letter" in report["sessions"]["reason"]
        # Nobody says that it is stuck: it is known what it waits for.
        assert report["actors"]["status"] == "ok"
        assert application.live.report()["status"] == "down"
        assert (await application.post()).status == 202
    await trio.sleep(60)
    assert (await application.ask("GET", "/ready")).status == 200


async def test_to_look_changes_nothing(autojump_clock: MockClock, application: Application) -> None:
    pipeline = application.pipeline
    sessions = pipeline.storing.partition.sessions
    await application.post()
    await trio.sleep(10)
    before = await sessions.freeze()
    attempts = len(pipeline.store.attempts)
    for seconds in (0, 10_000):
        await trio.sleep(seconds)
        for path in ("/ready", "/metrics"):
            assert (await application.ask("GET", path, peer="127.0.0.1")).status == 200
    assert await sessions.freeze() == before
    assert len(pipeline.store.attempts) == attempts


async def test_sessions_that_are_over_are_not_shown_as_open(
    autojump_clock: MockClock, application: Application
) -> None:
    async def shown() -> str:
        answer = await application.ask("GET", "/metrics", peer="127.0.0.1")
        (line,) = re.findall(r"(?m)^sluice_sessions_open (.*)$", answer.body.decode())
        return str(line)

    assert await shown() == "0.0"
    await application.post()
    await trio.sleep(1_800)
    assert await shown() == "1.0"
    await trio.sleep(100)
    assert await shown() == "0.0"


async def test_too_many_dead_letters_are_down(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = application.pipeline.collector.letters
    monkeypatch.setattr(type(letters), "__len__", lambda self: LETTERS_LIMIT)
    ready, report = application.health.readiness(detailed=False)
    assert not ready
    assert (report["status"], report["dead_letters"]["status"]) == ("down", "down")
    assert application.health.alive


async def test_a_draining_process_is_not_ready_but_alive(
    autojump_clock: MockClock, application: Application
) -> None:
    application.pipeline.collector.intake.close()
    ready, report = application.health.readiness(detailed=False)
    assert not ready
    assert (report["status"], report["intake"]["status"]) == ("down", "down")
    assert application.health.alive
    answer = await application.ask("GET", "/ready")
    assert answer.status == 503


async def test_the_registry_stands_for_postgres(
    autojump_clock: MockClock, application: Application
) -> None:
    application.sites.problem = SECRET
    for path in ("/api/health", "/api/system/health/ready"):
        answer = await application.ask("GET", path, peer="127.0.0.1")
        assert answer.status == 500
        assert answer.json == {
            "postgres": "error",
            "clickhouse": "ok",
            "sites_cache": "error",
            "sessions": "ok",
        }


async def test_readiness_says_that_there_is_no_journal(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    report = (await Application(pipeline).ask("GET", "/ready")).json
    assert report["journal"] == {
        "status": "ok",
        "durability": "memory",
        "full": False,
        "backlog_events": 0,
        "events_lost": 0,
    }


@pytest.mark.parametrize(
    ("trouble", "status", "ready"),
    [
        pytest.param(None, "ok", True, id="nothing"),
        pytest.param({"problem": SECRET}, "degraded", True, id="a write failed"),
        pytest.param({"lost": 1}, "degraded", True, id="events are missing"),
        pytest.param(None, "down", False, id="full"),
        pytest.param({"broken": SECRET}, "down", False, id="cannot be trusted"),
    ],
)
async def test_readiness_shows_the_journal(
    autojump_clock: MockClock,
    tmp_path: Path,
    trouble: dict[str, Any] | None,
    status: str,
    ready: bool,
) -> None:
    full = status == "down" and trouble is None
    pipeline = Pipeline(tmp_path, on_disk=True, limit_bytes=10 if full else 100_000)
    for name, value in (trouble or {}).items():
        setattr(pipeline.log, name, value)
    application = Application(pipeline)
    answer = await application.ask("GET", "/ready")
    assert answer.status == (200 if ready else 503)
    assert answer.json["journal"]["status"] == status
    assert answer.json["journal"]["backlog_events"] == 0
    assert SECRET not in answer.body.decode()

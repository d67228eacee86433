"""What the health routes say of the pipeline's parts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.journal.file_journal import FileJournal
from actors.letters.dead_letters import LETTERS_LIMIT
from tests.actors.fakes import an_outage
from tests.actors.pipeline.running_pipeline import Pipeline
from tests.ingest.http.application import Application

SECRET = "/srv/sites.toml: line 3"


async def test_all_is_well(autojump_clock: MockClock, application: Application) -> None:
    ready, report = application.health.readiness(detailed=True)
    assert ready
    assert report["status"] == "ok"
    assert {part: state["status"] for part, state in report.items() if part != "status"} == {
        "store": "ok",
        "dead_letters": "ok",
        "actors": "ok",
        "registry": "ok",
        "geo_database": "ok",
        "journal": "ok",
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
    application.pipeline.collector.writer.failures = 3
    application.pipeline.collector.writer.last_error = SECRET


@pytest.mark.parametrize(
    ("break_it", "part"),
    [
        (break_sites, "registry"),
        (break_geo, "geo_database"),
        (break_store, "store"),
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
    assert store["rows_waiting"] == 2
    assert "reason" not in (await application.ask("GET", "/ready")).json["store"]
    plausible = await application.ask("GET", "/api/health")
    assert (plausible.status, plausible.json["clickhouse"]) == (500, "error")
    await trio.sleep(120)
    assert (await application.ask("GET", "/ready")).json["status"] == "ok"
    assert (await application.ask("GET", "/api/health")).status == 200


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
    assert report["status"] == "down"
    assert application.health.alive
    answer = await application.ask("GET", "/ready")
    assert answer.status == 503


async def test_the_registry_stands_for_postgres(
    autojump_clock: MockClock, application: Application
) -> None:
    application.sites.problem = "broken"
    report: dict[str, Any] = application.health.plausible()
    assert report["clickhouse"] == "ok"
    assert report["postgres"] != "ok"
    assert report["sites_cache"] != "ok"
    assert (await application.ask("GET", "/api/health")).status == 500


async def test_readiness_says_that_there_is_no_journal(
    autojump_clock: MockClock, pipeline: Pipeline
) -> None:
    report = (await Application(pipeline).ask("GET", "/ready")).json
    assert report["journal"] == {"status": "ok", "durability": "memory", "backlog_events": 0}


@pytest.mark.parametrize(
    ("trouble", "status", "ready"),
    [
        pytest.param(None, "ok", True, id="nothing"),
        pytest.param({"problem": SECRET}, "degraded", True, id="a write failed"),
        pytest.param({"lost": 1}, "degraded", True, id="events are missing"),
        pytest.param({"limit": 10}, "down", False, id="full"),
    ],
)
async def test_readiness_shows_the_journal(
    autojump_clock: MockClock,
    tmp_path: Path,
    trouble: dict[str, Any] | None,
    status: str,
    ready: bool,
) -> None:
    journal = FileJournal.open(tmp_path / "journal", limit=1_000_000)
    for name, value in (trouble or {}).items():
        setattr(journal, name, value)
    application = Application(Pipeline(tmp_path, journal=journal))
    answer = await application.ask("GET", "/ready")
    assert answer.status == (200 if ready else 503)
    assert answer.json["journal"]["status"] == status
    assert answer.json["journal"]["backlog_events"] == 0
    assert SECRET not in answer.body.decode()

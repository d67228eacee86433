"""What the live page is told."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.keepers.drop_count_keeper import APPEND_SECONDS
from actors.letters.dead_letters import LETTERS_LIMIT
from actors.log.file_log import FileLog
from ingest.http.live import cluster_report as live_cluster
from ingest.http.live import status as live_status
from ingest.observation.history import SECONDS
from ingest.rows.servers import Server
from tests.actors.fakes import an_outage
from tests.actors.pipeline.running_pipeline import Pipeline, fail_once, running
from tests.examples import NOON
from tests.ingest.engine.test_cluster import a_cluster, a_front, a_worker, beat
from tests.ingest.http.application import Application
from tests.ingest.http.live.front import Front

HERE = "127.0.0.1"


async def test_a_server_at_rest(autojump_clock: MockClock, application: Application) -> None:
    await trio.sleep(30)
    report = application.live.report()
    assert (report["status"], report["headline"]) == ("ok", "All is well")
    assert report["findings"] == []
    assert (report["version"], report["now"]) == ("1.2.3", NOON + 30)
    assert report["uptime_seconds"] == 30
    assert report["rates"] == {"accepted": 0, "dropped": 0, "refused": 0}
    assert report["events_since_start"] == 0
    assert report["history"]["first"] == NOON + 30 - SECONDS + 1
    assert len(report["history"]["accepted"]) == SECONDS
    assert report["sites"] == {
        "shown": [],
        "more": 0,
        "unknown": [],
        "unknown_count": 0,
        "unknown_accepted": False,
        "quiet": ["example.com"],
        "quiet_count": 1,
    }
    assert report["settings"] == [
        {"name": "PORT", "value": "8000", "given": False, "meaning": "where to listen"}
    ]
    actors = {actor["name"]: actor for actor in report["actors"]}
    assert (actors["gate"]["waiting"], actors["gate"]["room"]) == (0, 1024)
    assert (actors["writer"]["waiting"], actors["writer"]["room"]) == (None, None)
    assert {actor["condition"] for actor in actors.values()} == {"running"}
    assert report["process"]["memory_bytes"] > 1_000_000
    assert report["cluster"] is None


async def test_events_are_counted_by_site_and_reason(
    autojump_clock: MockClock, application: Application
) -> None:
    await application.post()
    await application.post(domain="unknown.example")
    await application.post({"user-agent": "Googlebot/2.1"})
    await application.post(name="")
    await trio.sleep(6)
    report = application.live.report()
    assert report["rates"] == {"accepted": 0.1, "dropped": 0.2, "refused": 0.1}
    assert report["events_since_start"] == 3
    assert report["hour"] == {
        "accepted": 1,
        "dropped": 2,
        "refused": 1,
        "refused_by_status": {"400": 1},
    }
    registered, unknown = report["sites"]["shown"]
    assert (registered["site"], registered["accepted"]) == ("example.com", 1)
    assert (registered["registered"], registered["reasons"]) == (True, {"bot": 1})
    assert sum(registered["per_minute"]) == 1
    assert (unknown["site"], unknown["registered"]) == ("(unknown)", False)
    assert unknown["reasons"] == {"not_found": 1}
    assert report["sites"]["quiet"] == []
    assert report["sessions_open"] == 1
    inserts = report["store"]["inserts"]["events_v2"]
    assert (inserts["inserts"], inserts["rows"]["median"]) == (1, 1)
    whats = [finding["what"] for finding in report["findings"]]
    assert [finding["severity"] for finding in report["findings"]] == ["note", "note"]
    assert "1 request in the last five minutes made no sense and got an error." in whats
    assert (
        "1 event of the last hour named no registered site: “unknown.example” (1 event)." in whats
    )
    assert report["sites"]["unknown"] == [{"domain": "unknown.example", "events": 1}]


async def test_only_what_is_new_is_sent_again(
    autojump_clock: MockClock, application: Application
) -> None:
    await trio.sleep(10)
    report = application.live.report(NOON + 8)
    assert report["history"]["first"] == NOON + 8
    assert report["history"]["accepted"] == [0, 0, 0]
    assert "settings" not in report
    await application.post()
    await trio.sleep(1)
    again = application.live.report(NOON + 10)
    assert again["history"]["accepted"] == [1, 0]
    assert again["hour"]["accepted"] == 1


def break_store(application: Application) -> None:
    application.pipeline.storing.writer.failures = 3
    application.pipeline.storing.writer.last_error = "Connection refused"


def break_sites(application: Application) -> None:
    application.sites.problem = "sites.toml: line 3"


def break_geo(application: Application) -> None:
    assert application.geo is not None
    application.geo.problem = "gone"


def add_server(application: Application) -> None:
    application.others._others = {"directory": Server("process", "directory", "two:8000")}


def close_intake(application: Application) -> None:
    application.pipeline.collector.intake.close()


def flood_letters(application: Application) -> None:
    letters = application.pipeline.collector.letters
    letters.directory.path.mkdir()
    for number in range(LETTERS_LIMIT):
        (letters.directory.path / f"{number}.json").touch()
    letters.load_at_once()


def break_log(application: Application) -> None:
    assert isinstance(application.pipeline.log, FileLog)
    application.pipeline.log.broken = "Input/output error"


def stop_fold(application: Application) -> None:
    application.pipeline.storing.partition.sessions.problem = "an event waits"


def slow_down(application: Application) -> None:
    application.pipeline.collector.metrics.observe_lag(2.0)


@pytest.mark.parametrize(
    ("break_it", "part", "verdict"),
    [
        (break_store, "store", "degraded"),
        (break_sites, "sites", "degraded"),
        (break_geo, "places", "degraded"),
        (add_server, "database", "degraded"),
        (slow_down, "process", "degraded"),
        (close_intake, "intake", "down"),
        (flood_letters, "dead letters", "down"),
        (break_log, "journal", "down"),
        (stop_fold, "sessions", "down"),
    ],
)
async def test_what_is_not_well_is_said(
    autojump_clock: MockClock,
    tmp_path: Path,
    break_it: Callable[[Application], None],
    part: str,
    verdict: str,
) -> None:
    application = Application(Pipeline(tmp_path, on_disk=True), geo=True)
    break_it(application)
    report = application.live.report()
    assert report["status"] == verdict
    assert [finding["part"] for finding in report["findings"]] == [part]
    ready, readiness = application.health.readiness(detailed=True)
    # The page may know more than readiness, but never less.
    assert ready is (verdict != "down")
    assert readiness["status"] in ("ok", verdict)


async def test_a_restarted_actor(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = application.pipeline.collector
    failed = fail_once(collector.front.recorder, "append_drops", monkeypatch)
    await trio.sleep(APPEND_SECONDS + 1)
    assert failed()
    await trio.sleep(34)
    report = application.live.report()
    (actor,) = [actor for actor in report["actors"] if actor["name"] == "drop_counts"]
    assert (actor["restarts"], actor["last_error"]) == (1, "ZeroDivisionError")
    assert actor["seconds_since_failure"] == pytest.approx(35, abs=1)
    parts = [finding["part"] for finding in report["findings"]]
    assert parts == ["actors"]
    assert "203.0.113.9" not in str(report)
    await trio.sleep(600)
    assert application.live.report()["status"] == "ok"


async def test_a_full_journal(autojump_clock: MockClock, tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, on_disk=True, limit_bytes=30_000)
    pipeline.store.outages = [an_outage() for _ in range(10_000)]
    async with running(pipeline):
        application = Application(pipeline)
        while (await application.post()).status == 202:
            pass
        report = application.live.report()
        assert report["status"] == "down"
        parts = [finding["part"] for finding in report["findings"]]
        assert parts[0] == "journal"
        assert "intake" in parts
        assert report["journal"]["bytes"] > 28_000
        assert report["hour"]["refused_by_status"] == {"503": 1}
        pipeline.store.outages = []
        await trio.sleep(60)


@pytest.mark.parametrize("content", ["", "1", "x y"])
def test_memory_is_unknown_where_the_system_does_not_tell(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statm = tmp_path / "statm"
    monkeypatch.setattr(live_status, "_STATM", statm)
    assert live_status.resident_bytes() is None
    statm.write_text(content)
    assert live_status.resident_bytes() is None
    statm.write_text("300 2 1 0 0 0 0\n")
    assert live_status.resident_bytes() == 2 * os.sysconf("SC_PAGE_SIZE")


async def test_what_readiness_knows_besides_is_said_too(
    autojump_clock: MockClock, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, parts = application.health.readiness(detailed=True)
    parts["dashboard_database"] = {"status": "degraded"}
    parts["another"] = {"status": "ok"}
    monkeypatch.setattr(application.health, "readiness", lambda *, detailed: (True, parts))
    report = application.live.report()
    assert report["status"] == "degraded"
    assert [finding["part"] for finding in report["findings"]] == ["dashboard database"]


async def test_a_front_at_rest(autojump_clock: MockClock, tmp_path: Path) -> None:
    report = Front(tmp_path).live.report()
    assert (report["status"], report["findings"]) == ("ok", [])
    assert (report["store"], report["sessions_open"]) == (None, None)
    assert report["journal"]["backlog_events"] == 0
    assert "batcher" not in [actor["name"] for actor in report["actors"]]
    cluster: dict[str, Any] = report["cluster"]
    members = cluster.pop("members")
    assert cluster == {
        "status": "ok",
        "forwards": True,
        "id": "00c0ffee00c0ffee",
        "partitions": 4,
        "partitions_unowned": 0,
        "fronts": 1,
        "workers": 1,
        "lag_messages": 0,
        "oldest_seconds": 0,
        "retention_seconds": 172_800,
        "backlog_events": 0,
        "more": 0,
    }
    assert [(member["role"], member["self"], member["running"]) for member in members] == [
        ("front", True, True),
        ("worker", False, True),
    ]


async def test_members_of_a_cluster(autojump_clock: MockClock, tmp_path: Path) -> None:
    front = Front(tmp_path, a_cluster())
    worker = a_worker(partitions={0: 3, 1: 4}, oldest_seconds=2.5, events_per_second=120.0)
    beat(front.cluster, a_worker("gone"), NOON - 60)
    beat(front.cluster, worker, NOON - 5)
    beat(front.cluster, a_front("f2", backlog=7, trouble="brokers are away"))
    front.cluster.retention_seconds = float("inf")
    cluster = front.live.report()["cluster"]
    assert cluster["retention_seconds"] is None
    assert cluster["members"] == [
        {
            "member": "f2",
            "role": "front",
            "host": "web",
            "version": "1.0",
            "events_per_second": 0,
            "seen_seconds": 0,
            "clock_seconds": 0,
            "trouble": "brokers are away",
            "backlog_events": 7,
            "running": True,
            "self": False,
        },
        {
            "member": "w1",
            "role": "worker",
            "host": "back",
            "version": "1.0",
            "events_per_second": 120,
            "seen_seconds": 5,
            "clock_seconds": -5,
            "trouble": "",
            "partitions": 2,
            "lag_messages": 7,
            "oldest_seconds": 2.5,
            "running": True,
            "self": False,
        },
        cluster["members"][2],
    ]
    assert (cluster["members"][2]["member"], cluster["members"][2]["running"]) == ("gone", False)


async def test_members_beyond_the_limit_are_counted(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_cluster, "MEMBERS", 2)
    front = Front(tmp_path, a_cluster(*[a_front(f"f{number}") for number in range(5)]))
    cluster = front.live.report()["cluster"]
    assert (len(cluster["members"]), cluster["more"], cluster["fronts"]) == (2, 3, 5)


AWAY = {"status": "degraded", "forwards": False, "reason": "brokers are away"}


@pytest.mark.parametrize(
    ("part", "status", "finding"),
    [
        (AWAY, "degraded", ("Kafka", "Events do not go on to Kafka (brokers are away).")),
        (AWAY | {"status": "down"}, "down", ("Kafka", "Events do not go on to Kafka (broke")),
        (
            {"status": "down", "reason": "the secrets differ"},
            "down",
            ("cluster", "This front is not as its cluster needs it (the secrets differ)."),
        ),
    ],
)
async def test_a_front_in_trouble(
    autojump_clock: MockClock,
    tmp_path: Path,
    part: dict[str, Any],
    status: str,
    finding: tuple[str, str],
) -> None:
    front = Front(tmp_path)
    front.forwarding.cluster = part | {"findings": ["front web (f2): brokers are away"]}
    report = front.live.report()
    assert report["status"] == status
    (found,) = report["findings"]
    assert found["part"] == finding[0]
    assert found["what"].startswith(finding[1])
    assert report["cluster"]["status"] == status
    ready, readiness = front.health.readiness(detailed=False)
    assert (ready, readiness["status"]) == (status != "down", status)
    assert not {"reason", "findings"} & readiness["cluster"].keys()
    assert front.health.plausible()["clickhouse"] == "error"


async def test_what_is_found_on_the_cluster_is_said(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    own = a_front("f1", trouble="brokers are away")
    front = Front(tmp_path, a_cluster(own, a_front("f2", trouble="disk full"), a_worker()))
    report = front.live.report()
    assert (report["status"], report["headline"]) == (
        "degraded",
        "Events are taken, but something needs care",
    )
    (finding,) = report["findings"]
    assert finding["what"] == "Front web (f2): disk full."
    assert set(front.health.plausible().values()) == {"ok"}

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.journal.file_journal import FileJournal
from actors.journal.recovery import rebuild_sessions
from actors.letters import dead_letters
from actors.letters.letter_writer import GIVE_UP_SECONDS
from actors.pipeline.intake import OverloadedError
from actors.supervision.supervisor import Condition
from ingest.model.event import Revenue
from ingest.model.verdict import ACCEPTED, SET_ASIDE, DropReason, Verdict
from ingest.rows.batch import Insert
from ingest.sessions.snapshot import EMPTY
from tests.actors.fakes import Told, an_outage
from tests.actors.pipeline.running_pipeline import Pipeline, fail_once, running
from tests.examples import NOON


async def test_events_become_rows_within_the_flush_time(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        assert await pipeline.send() == [ACCEPTED]
        assert await pipeline.send(name="Signup", props=(("a", "b"),)) == [ACCEPTED]
        assert pipeline.events() == []
        await trio.sleep(5.1)
        assert [event["name"] for event in pipeline.events()] == ["pageview", "Signup"]
        assert len({event["session_id"] for event in pipeline.events()}) == 1
        (session,) = pipeline.store.rows["sessions_v2"]
        assert session[10:12] == (1, 2)


async def test_each_domain_has_its_verdict(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        verdicts = await pipeline.send(domains=("example.com", "unknown.example"))
        assert verdicts == [ACCEPTED, Verdict(DropReason.NOT_FOUND)]
    assert pipeline.counted() == {"buffered": 1, "dropped_not_found": 1}


async def test_a_drain_stores_everything_at_once(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        for _ in range(250):
            await pipeline.send()
    assert len(pipeline.events()) == 250
    assert pipeline.counted() == {"buffered": 250}
    assert trio.current_time() < 1
    assert not pipeline.collector.accepting
    with pytest.raises(OverloadedError):
        await pipeline.send()


@pytest.mark.parametrize("actor", ["gate", "enrichment", "sessions"])
async def test_a_failing_stage_costs_one_event(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actor: str
) -> None:
    told = Told()
    async with running(Pipeline(tmp_path, tracing=told)) as pipeline:
        failed = fail_once(getattr(pipeline.collector, actor), "handle", monkeypatch)
        verdicts: list[Verdict] = []

        async def send(number: int) -> None:
            verdicts.extend(await pipeline.send(pathname=f"/{number}"))

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(send, number)
        assert failed()
        assert sorted(map(str, verdicts)) == sorted(map(str, [SET_ASIDE] + [ACCEPTED] * 29))
        assert told.restarts == []
    assert len(pipeline.events()) == 29
    (letter_id,) = pipeline.collector.letters.ids()
    assert pipeline.collector.letters.directory.read(letter_id).actor == actor
    (path,) = (tmp_path / "letters").iterdir()
    assert "203.0.113.9" not in path.read_text()
    assert pipeline.counted() == {"buffered": 29, "dropped_persist_error": 1}


@pytest.mark.parametrize("actor", ["gate", "enrichment", "sessions"])
async def test_a_letter_put_back_becomes_a_row(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actor: str
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        fail_once(getattr(pipeline.collector, actor), "handle", monkeypatch)
        assert await pipeline.send(pathname="/set-aside") == [SET_ASIDE]
        assert await pipeline.send(pathname="/ordinary") == [ACCEPTED]
        (letter_id,) = pipeline.collector.letters.ids()
        pipeline.collector.letters.directory.mark(letter_id)
        await trio.sleep(10)
        assert len(pipeline.collector.letters) == 0
    assert {event["pathname"] for event in pipeline.events()} == {"/set-aside", "/ordinary"}
    assert len({event["user_id"] for event in pipeline.events()}) == 1


@pytest.mark.parametrize(
    ("actor", "method"),
    [
        ("batcher", "_until_due"),
        ("writer", "_attempt"),
        ("tally", "_send"),
        ("redrive", "_redrive"),
    ],
)
async def test_actors_behind_the_verdict_lose_nothing_when_they_fail(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    actor: str,
    method: str,
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        collector = pipeline.collector
        failed = fail_once(getattr(collector, actor), method, monkeypatch)
        collector.letters.keep("writer", Insert("events_v2", (), "none"), "x", redrive=True)
        for _ in range(10):
            assert await pipeline.send() == [ACCEPTED]
            await trio.sleep(3)
        assert failed()
        name = getattr(collector, actor).name
        assert collector.supervisor.watches[name].restarts == 1
        for letter_id in list(collector.letters.ids()):
            collector.letters.directory.mark(letter_id)
        await trio.sleep(10)
    assert len(pipeline.events()) == 10
    assert pipeline.counted() == {"buffered": 10}


async def test_a_failing_heartbeat_beats_on(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        collector = pipeline.collector
        (heartbeat,) = (actor for actor in collector._keepers if actor.name == "heartbeat")
        failed = fail_once(heartbeat, "_wall", monkeypatch)
        assert await pipeline.send() == [ACCEPTED]
        await trio.sleep(10)
        assert failed()
        watch = collector.supervisor.watches["heartbeat"]
        assert (watch.restarts, watch.condition) == (1, Condition.RUNNING)
        assert collector.accepting
    assert len(pipeline.events()) == 1


async def test_an_outage_loses_and_doubles_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        pipeline.store.lands_before_failing = True
        pipeline.store.outages = [an_outage() for _ in range(5)]
        for _ in range(20):
            assert await pipeline.send() == [ACCEPTED]
            await trio.sleep(1)
        assert pipeline.collector.status()["store"]["status"] in ("ok", "degraded")
    assert len(pipeline.events()) == 20


async def _until_refused(pipeline: Pipeline) -> int:
    accepted = 0
    try:
        while True:
            accepted += len(await pipeline.send())
    except OverloadedError:
        return accepted


async def test_a_store_that_hangs_makes_the_pipeline_refuse_not_grow(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path), seconds=5) as pipeline:
        pipeline.store.hangs = True
        accepted = await _until_refused(pipeline)
        assert accepted < 1000
        gathered = pipeline.collector.batcher.gathered + pipeline.collector.writer.pending
        assert gathered <= 500
    assert len(pipeline.collector.letters.to_redrive()) > 0
    kept = 0
    for letter_id in pipeline.collector.letters.ids():
        content = pipeline.collector.letters.directory.read(letter_id).content
        assert isinstance(content, Insert)
        kept += len(content.rows) if content.table == "events_v2" else 0
    assert kept == accepted


async def test_a_drain_with_a_hanging_store_ends_in_time(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path), seconds=10) as pipeline:
        pipeline.store.hangs = True
        await pipeline.send()
        started = trio.current_time()
    assert trio.current_time() - started <= 10
    tables = set()
    for letter_id in pipeline.collector.letters.to_redrive():
        content = pipeline.collector.letters.directory.read(letter_id).content
        assert isinstance(content, Insert)
        tables.add(content.table)
    assert tables == {"events_v2", "sessions_v2", "ingest_counters"}

    async with running(Pipeline(tmp_path)) as successor:
        await trio.sleep(5)
        assert len(successor.collector.letters) == 0
    assert len(successor.events()) == 1
    assert len(successor.store.rows["sessions_v2"]) == 1


async def test_actors_that_fail_too_often_are_fatal(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    async with running(Pipeline(tmp_path, intensity=2)) as pipeline:
        collector = pipeline.collector
        await pipeline.send(pathname="/before")
        with monkeypatch.context() as patch:
            patch.setattr(collector.enrichment, "send_handled", fail)
            with pytest.raises(OverloadedError):
                await pipeline.send()
            with trio.fail_after(1):
                await collector.supervisor.fatal.wait()
        assert not collector.accepting
        assert collector.status()["actors"]["status"] == "down"
    assert [event["pathname"] for event in pipeline.events()][:1] == ["/before"]


async def test_a_step_that_fails_always_ends_no_process(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(message: object) -> None:
        raise ZeroDivisionError

    async with running(Pipeline(tmp_path, intensity=0)) as pipeline:
        collector = pipeline.collector
        with monkeypatch.context() as patch:
            patch.setattr(collector.enrichment, "handle", fail)
            for _ in range(60):
                assert await pipeline.send() == [SET_ASIDE]
            assert collector.accepting
        assert await pipeline.send() == [ACCEPTED]
    assert len(pipeline.events()) == 1
    assert len(collector.letters) == 60


async def test_without_room_for_letters_only_failing_events_are_refused(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "LETTERS_LIMIT", 1)
    async with running(Pipeline(tmp_path)) as pipeline:
        collector = pipeline.collector
        fail_once(collector.gate, "handle", monkeypatch)
        assert await pipeline.send() == [SET_ASIDE]
        fail_once(collector.gate, "handle", monkeypatch)
        with pytest.raises(OverloadedError):
            await pipeline.send()
        assert await pipeline.send() == [ACCEPTED]
        assert collector.status()["dead_letters"] == {"status": "down", "kept": 1}
        (letter_id,) = collector.letters.ids()
        collector.letters.directory.mark(letter_id)
        await trio.sleep(10)
        assert collector.status()["dead_letters"] == {"status": "ok", "kept": 0}
    assert len(pipeline.events()) == 2


async def test_a_sender_is_answered_when_the_letter_is_on_the_disk(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        collector = pipeline.collector
        full = OSError(28, "No space left on device")
        with monkeypatch.context() as patch:
            patch.setattr(collector.letters.directory, "write", lambda batch: [full] * len(batch))
            fail_once(collector.gate, "handle", monkeypatch)
            started = trio.current_time()
            with pytest.raises(OverloadedError):
                await pipeline.send()
            assert trio.current_time() - started >= GIVE_UP_SECONDS
        assert len(collector.letters) == 0
    assert pipeline.counted() == {"dropped_persist_timeout": 1}


async def test_a_visit_is_carried_over_midnight(autojump_clock: MockClock, tmp_path: Path) -> None:
    midnight = NOON + 12 * 3600
    async with running(Pipeline(tmp_path, start=midnight - 60)) as pipeline:
        before = pipeline.reference.salts
        await pipeline.send(pathname="/before")
        await trio.sleep(120)
        assert pipeline.reference.salts.previous == before.current
        await pipeline.send(pathname="/after")
        await pipeline.send(pathname="/later")
    events = pipeline.events()
    assert [event["pathname"] for event in events] == ["/before", "/after", "/later"]
    assert len({event["session_id"] for event in events}) == 1
    assert len({event["user_id"] for event in events}) == 1


async def test_order_per_visitor_is_kept(autojump_clock: MockClock, tmp_path: Path) -> None:
    random = Random(7)  # noqa: S311 - a seed, not a secret
    async with running(Pipeline(tmp_path)) as pipeline:

        async def visit(visitor: int) -> None:
            for number in range(20):
                await pipeline.send(pathname=f"/{number}", client_ip=f"198.51.100.{visitor}")
                await trio.sleep(random.random() * 3)

        async with trio.open_nursery() as nursery:
            for visitor in range(20):
                nursery.start_soon(visit, visitor)
    visits: dict[int, list[str]] = {}
    for event in pipeline.events():
        visits.setdefault(event["session_id"], []).append(event["pathname"])
    assert len(visits) == 20
    assert all(pages == [f"/{number}" for number in range(20)] for pages in visits.values())
    sums: dict[int, int] = {}
    for row in pipeline.store.rows["sessions_v2"]:
        sums[row[0]] = sums.get(row[0], 0) + row[1] * row[11]
    assert set(sums.values()) == {20}


async def test_missing_exchange_rates_are_counted(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        await pipeline.send(name="Buy", revenue=Revenue(Decimal(5), "EUR"))
        figures = pipeline.collector.metrics.exposition().decode()
    assert 'sluice_missing_exchange_rates_total{currency="EUR"} 1.0' in figures
    (event,) = pipeline.events()
    assert (event["revenue_source_amount"], event["revenue_reporting_amount"]) == (5, None)


async def test_figures_are_read_from_their_owners(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        await pipeline.send()
        figures = pipeline.collector.metrics.exposition().decode()
        assert "sluice_sessions_open 1.0" in figures
        assert "sluice_rows_gathered 1.0" in figures
        await trio.sleep(1801)
        assert "sluice_sessions_open 0.0" in pipeline.collector.metrics.exposition().decode()


async def crashed(pipeline: Pipeline, sends: Sequence[dict[str, Any]]) -> list[list[Verdict]]:
    """Send, and end as `kill -9` does: nothing is drained, saved or closed."""
    async with trio.open_nursery() as nursery:
        await nursery.start(pipeline.collector.run)
        verdicts = [await pipeline.send(**request) for request in sends]
        nursery.cancel_scope.cancel()
    return verdicts


@pytest.mark.parametrize("landed", [False, True], ids=["lost on the way", "stored unheard"])
async def test_after_a_crash_everything_is_stored_once_and_visits_go_on(
    autojump_clock: MockClock, tmp_path: Path, landed: bool
) -> None:
    first = Pipeline(tmp_path, journal=FileJournal.open(tmp_path / "journal", limit=1_000_000))
    first.store.lands_before_failing = landed
    first.store.outages = [an_outage() for _ in range(10_000)]
    sends = [{"pathname": f"/{number}"} for number in range(250)]
    verdicts = await crashed(first, sends)
    assert verdicts == [[ACCEPTED]] * 250
    assert (first.journal.backlog, first.journal.stored) == (250, 0)

    second = Pipeline(tmp_path, journal=FileJournal.open(tmp_path / "journal", limit=1_000_000))
    second.store = first.store
    second.collector.writer._store = first.store
    first.store.outages = []
    rebuild_sessions(second.collector.open_sessions, EMPTY, second.journal)
    async with running(second):
        assert await second.send(pathname="/last", name="engagement") == [ACCEPTED]
        await trio.sleep(30)
        assert second.journal.backlog == 0
    assert [event["pathname"] for event in second.events()] == [
        *(f"/{number}" for number in range(250)),
        "/last",
    ]
    assert len({event["session_id"] for event in second.events()}) == 1
    assert sum(row[1] * row[10] for row in second.store.rows["sessions_v2"]) == 250
    assert sum(row[1] for row in second.store.rows["sessions_v2"]) == 1


async def test_an_outage_longer_than_memory_waits_on_disk(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    pipeline = Pipeline(tmp_path, journal=FileJournal.open(tmp_path / "journal", limit=10_000_000))
    pipeline.store.outages = [an_outage() for _ in range(10_000)]
    async with running(pipeline):
        for number in range(2_000):
            assert await pipeline.send(pathname=f"/{number}") == [ACCEPTED]
        status = pipeline.collector.status()
        assert status["journal"]["backlog_events"] == 2_000
        assert status["store"]["status"] == "degraded"
        assert pipeline.collector.batcher.gathered <= 200
        pipeline.store.outages = []
        await trio.sleep(60)
        assert pipeline.journal.backlog == 0
    assert [event["pathname"] for event in pipeline.events()] == [
        f"/{number}" for number in range(2_000)
    ]


async def test_a_full_journal_refuses_and_takes_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    journal = FileJournal.open(tmp_path / "journal", limit=30_000)
    pipeline = Pipeline(tmp_path, journal=journal)
    pipeline.store.outages = [an_outage() for _ in range(10_000)]
    accepted = 0

    async def send_for_ever() -> None:
        nonlocal accepted
        while True:
            accepted += len(await pipeline.send())

    async with running(pipeline):
        with pytest.raises(OverloadedError):
            await send_for_ever()
        assert not pipeline.collector.accepting
        assert pipeline.collector.status()["journal"]["status"] == "down"
        pipeline.store.outages = []
        await trio.sleep(60)
        journal.retire(journal.end)
        assert pipeline.collector.accepting
        assert await pipeline.send() == [ACCEPTED]
    assert len(pipeline.events()) == accepted + 1


@pytest.mark.parametrize("actor", ["gate", "enrichment", "sessions", "batcher", "writer"])
async def test_each_actor_may_fail_under_load(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actor: str
) -> None:
    """One failure in the middle of a stream: what was accepted is stored, once."""
    methods = {"batcher": "_take_in", "writer": "_attempt"}
    pipeline = Pipeline(tmp_path, journal=FileJournal.open(tmp_path / "journal", limit=10_000_000))
    accepted: list[str] = []
    async with running(pipeline):

        async def visit(visitor: int) -> None:
            for number in range(20):
                page = f"/{visitor}/{number}"
                verdicts = await pipeline.send(pathname=page, client_ip=f"203.0.113.{visitor}")
                if verdicts == [ACCEPTED]:
                    accepted.append(page)
                await trio.sleep(0.1)

        async with trio.open_nursery() as visitors:
            for visitor in range(20):
                visitors.start_soon(visit, visitor)
            await trio.sleep(0.5)
            owner = getattr(pipeline.collector, actor)
            failed = fail_once(owner, methods.get(actor, "handle"), monkeypatch)
        await trio.sleep(30)
        assert failed()
        for letter in list(pipeline.collector.letters.ids()):
            pipeline.collector.letters.directory.mark(letter)
        await trio.sleep(30)
    assert len(accepted) >= 399
    stored = [event["pathname"] for event in pipeline.events()]
    assert sorted(stored) == sorted({*accepted, *stored})
    assert set(accepted) <= set(stored)
    assert len(stored) == 400

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.letters import dead_letters
from actors.letters.letter_writer import GIVE_UP_SECONDS
from actors.pipeline.intake import OverloadedError
from actors.supervision.actor import Actor
from actors.supervision.supervisor import Condition
from ingest.model.event import Revenue
from ingest.model.verdict import ACCEPTED, NO_SESSION, SET_ASIDE, DropReason, Verdict
from ingest.rows.batch import Insert
from tests.actors.fakes import FakeStore, Told, an_outage
from tests.actors.pipeline.running_pipeline import (
    FLUSH_ROWS,
    Pipeline,
    crashing,
    fail_once,
    running,
)
from tests.actors.pipeline.server_process import a_process
from tests.examples import NOON, a_request

ON_DISK = pytest.mark.parametrize("on_disk", [False, True], ids=["in memory", "on disk"])


def actor_of(pipeline: Pipeline, name: str) -> Actor:
    return next(
        actor
        for actor in (*pipeline.collector._stages, *pipeline.collector._keepers)
        if actor.name == name
    )


def letter_ids(pipeline: Pipeline) -> list[str]:
    """What is on the disk, whoever has changed it."""
    return list(pipeline.collector.letters.directory.scan().letters)


def redrive_all(pipeline: Pipeline) -> None:
    """As the command line does."""
    for letter_id in letter_ids(pipeline):
        pipeline.collector.letters.directory.mark(letter_id)


def kept_inserts(pipeline: Pipeline) -> list[Insert]:
    directory = pipeline.collector.letters.directory
    contents = [directory.read(letter_id).content for letter_id in letter_ids(pipeline)]
    return [content for content in contents if isinstance(content, Insert)]


@ON_DISK
async def test_events_become_rows_within_the_flush_time(
    autojump_clock: MockClock, tmp_path: Path, on_disk: bool
) -> None:
    async with running(Pipeline(tmp_path, on_disk=on_disk)) as pipeline:
        assert await pipeline.send() == [ACCEPTED]
        assert await pipeline.send(name="Signup", props=(("a", "b"),)) == [ACCEPTED]
        assert pipeline.events() == []
        await trio.sleep(5.1)
        assert [event["name"] for event in pipeline.events()] == ["pageview", "Signup"]
        assert len({event["session_id"] for event in pipeline.events()}) == 1
        (session,) = pipeline.store.rows["sessions_v2"]
        assert session[10:12] == (1, 2)


@ON_DISK
async def test_each_domain_has_its_verdict(
    autojump_clock: MockClock, tmp_path: Path, on_disk: bool
) -> None:
    async with running(Pipeline(tmp_path, on_disk=on_disk)) as pipeline:
        verdicts = await pipeline.send(domains=("example.com", "unknown.example"))
        assert verdicts == [ACCEPTED, Verdict(DropReason.NOT_FOUND)]
    assert pipeline.counted() == {"buffered": 1, "dropped_not_found": 1}


async def test_the_fold_gives_its_verdict(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        assert await pipeline.send(name="engagement") == [NO_SESSION]
        assert await pipeline.send() == [ACCEPTED]
        assert await pipeline.send(name="engagement") == [ACCEPTED]
    assert pipeline.counted() == {"buffered": 2, "dropped_no_session_for_engagement": 1}
    assert [event["name"] for event in pipeline.events()] == ["pageview", "engagement"]


@ON_DISK
async def test_a_drain_stores_everything_at_once(
    autojump_clock: MockClock, tmp_path: Path, on_disk: bool
) -> None:
    async with running(Pipeline(tmp_path, on_disk=on_disk)) as pipeline:
        for _ in range(250):
            await pipeline.send()
    assert len(pipeline.events()) == 250
    assert pipeline.counted() == {"buffered": 250}
    assert trio.current_time() < 1
    assert pipeline.log.backlog == 0
    assert not pipeline.collector.accepting
    with pytest.raises(OverloadedError):
        await pipeline.send()


async def test_drops_are_stored_though_no_event_is(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        await pipeline.send(domains=("unknown.example",))
        await trio.sleep(12)
        assert pipeline.counted() == {"dropped_not_found": 1}
        await pipeline.send(domains=("unknown.example",))
    assert pipeline.counted() == {"dropped_not_found": 2}


FAILING = [("gate", "handle"), ("enrichment", "handle"), ("sessions", "fold.take")]


def fail_a_message(
    pipeline: Pipeline, actor: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> Any:
    owner: Any = getattr(pipeline.front, actor, None) or getattr(pipeline.storing, actor, None)
    owner = owner or pipeline.storing.partition.sessions
    *path, name = method.split(".")
    for part in path:
        owner = getattr(owner, part)
    return fail_once(owner, name, monkeypatch)


@pytest.mark.parametrize(("actor", "method"), FAILING)
async def test_a_failing_message_costs_one_event(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    actor: str,
    method: str,
) -> None:
    told = Told()
    async with running(Pipeline(tmp_path, tracing=told)) as pipeline:
        await pipeline.send(pathname="/first")
        failed = fail_a_message(pipeline, actor, method, monkeypatch)
        verdicts: list[Verdict] = []

        async def send(number: int) -> None:
            verdicts.extend(await pipeline.send(pathname=f"/{number}"))

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(send, number)
        assert failed()
        assert sorted(map(str, verdicts)) == sorted(map(str, [SET_ASIDE] + [ACCEPTED] * 29))
        assert told.restarts == []
    assert len(pipeline.events()) == 30
    (letter_id,) = letter_ids(pipeline)
    assert pipeline.collector.letters.directory.read(letter_id).actor == actor
    (path,) = (tmp_path / "letters").iterdir()
    assert "203.0.113.9" not in path.read_text()
    assert pipeline.counted() == {"buffered": 30, "dropped_persist_error": 1}


@pytest.mark.parametrize(("actor", "method"), FAILING)
@ON_DISK
async def test_a_redriven_letter_becomes_a_row(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    actor: str,
    method: str,
    on_disk: bool,
) -> None:
    async with running(Pipeline(tmp_path, on_disk=on_disk)) as pipeline:
        await pipeline.send(pathname="/first")
        fail_a_message(pipeline, actor, method, monkeypatch)
        assert await pipeline.send(pathname="/set-aside") == [SET_ASIDE]
        assert await pipeline.send(pathname="/ordinary") == [ACCEPTED]
        redrive_all(pipeline)
        await trio.sleep(10)
        assert letter_ids(pipeline) == []
    pages = sorted(event["pathname"] for event in pipeline.events())
    assert pages == ["/first", "/ordinary", "/set-aside"]
    assert len({event["user_id"] for event in pipeline.events()}) == 1


@pytest.mark.parametrize(
    ("actor", "method"),
    [
        ("sessions", "_read"),
        ("sessions", "_send"),
        ("batcher", "_until_due"),
        ("batcher", "take_in"),
        ("batcher", "_close_batch"),
        ("batcher", "_store_batch"),
        ("writer", "_attempt"),
        ("redrive", "_redrive"),
        ("letters", "_scan"),
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
        owner = collector.letter_writer if actor == "letters" else actor_of(pipeline, actor)
        failed = fail_once(owner, method, monkeypatch)
        collector.letters.keep("writer", Insert("events_v2", (), "none"), "x", redrive=True)
        for _ in range(10):
            assert await pipeline.send() == [ACCEPTED]
            await trio.sleep(3)
        assert failed()
        redrive_all(pipeline)
        await trio.sleep(10)
        # A writer's mistake makes a letter of the insert; the others are restarted.
        assert collector.supervisor.watches[actor].restarts == (actor != "writer")
    assert len(pipeline.events()) == 10
    assert pipeline.counted() == {"buffered": 10}
    assert letter_ids(pipeline) == []


@pytest.mark.parametrize(
    ("keeper", "method"),
    [
        ("heartbeat", "_wall"),
        ("drop_counts", "_recorder.append_drops"),
        ("request_timeouts", "_verdicts.give_up_waiting"),
        ("log", "save_checkpoint"),
    ],
)
async def test_a_failing_keeper_goes_on(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keeper: str,
    method: str,
) -> None:
    async with running(Pipeline(tmp_path, on_disk=True)) as pipeline:
        collector = pipeline.collector
        owner: Any = actor_of(pipeline, keeper)
        *path, name = method.split(".")
        for part in path:
            owner = getattr(owner, part)
        failed = fail_once(owner, name, monkeypatch)
        assert await pipeline.send() == [ACCEPTED]
        await trio.sleep(70)
        assert failed()
        watch = collector.supervisor.watches[keeper]
        assert (watch.restarts, watch.condition) == (1, Condition.RUNNING)
        assert collector.accepting
    assert len(pipeline.events()) == 1


@ON_DISK
async def test_an_outage_loses_and_doubles_nothing(
    autojump_clock: MockClock, tmp_path: Path, on_disk: bool
) -> None:
    async with running(Pipeline(tmp_path, on_disk=on_disk)) as pipeline:
        pipeline.store.lands_before_failing = True
        pipeline.store.outages = [an_outage() for _ in range(5)]
        for _ in range(20):
            assert await pipeline.send() == [ACCEPTED]
            await trio.sleep(1)
        assert pipeline.collector.status()["store"]["status"] in ("ok", "degraded")
    assert len(pipeline.events()) == 20
    assert pipeline.counted() == {"buffered": 20}


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
        assert not pipeline.collector.accepting
        assert accepted == pipeline.log.backlog < 1_500
        gathered = pipeline.storing.partition.batcher.gathered + pipeline.storing.writer.pending
        assert gathered <= 5 * FLUSH_ROWS
    kept = kept_inserts(pipeline)
    assert sum(len(insert.rows) for insert in kept if insert.table == "events_v2") == accepted


async def test_a_drain_with_a_hanging_store_ends_in_time(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path), seconds=10) as pipeline:
        pipeline.store.hangs = True
        await pipeline.send()
        started = trio.current_time()
    assert trio.current_time() - started <= 10
    tables = {insert.table for insert in kept_inserts(pipeline)}
    assert tables == {"events_v2", "sessions_v2", "ingest_counters"}

    async with running(Pipeline(tmp_path)) as successor:
        await trio.sleep(5)
        assert letter_ids(successor) == []
    assert len(successor.events()) == 1
    assert len(successor.store.rows["sessions_v2"]) == 1
    assert successor.counted() == {"buffered": 1}


@pytest.mark.parametrize("seconds", [0, 1, 10])
@ON_DISK
async def test_no_drain_is_too_short_to_keep_what_was_accepted(
    autojump_clock: MockClock, tmp_path: Path, on_disk: bool, seconds: float
) -> None:
    pipeline = Pipeline(tmp_path, on_disk=on_disk)
    pipeline.store.hangs = True
    accepted = 0
    async with running(pipeline, seconds=seconds):
        for _ in range(150):
            accepted += len(await pipeline.send())

    async with running(Pipeline(tmp_path, on_disk=on_disk)) as successor:
        await trio.sleep(20)
    assert len(successor.events()) == accepted == 150
    assert sum(row[1] * row[11] for row in successor.store.rows["sessions_v2"]) == 150


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
            patch.setattr(collector.front.enrichment, "send_handled", fail)
            with pytest.raises(OverloadedError):
                await pipeline.send()
            with trio.fail_after(1):
                await collector.supervisor.fatal.wait()
        assert not collector.accepting
        assert collector.status()["actors"]["status"] == "down"
    assert [event["pathname"] for event in pipeline.events()][:1] == ["/before"]


@ON_DISK
async def test_a_fold_that_fails_for_good_loses_nothing(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    pipeline = Pipeline(tmp_path, on_disk=on_disk, intensity=0)
    async with running(pipeline):
        fail_once(pipeline.storing.partition.sessions, "_read", monkeypatch)
        for number in range(10):
            assert await pipeline.send(pathname=f"/{number}") == [ACCEPTED]
        await pipeline.collector.supervisor.fatal.wait()
    async with running(Pipeline(tmp_path, on_disk=on_disk, store=pipeline.store)) as successor:
        await trio.sleep(5)
    assert len(successor.events()) == 10


async def test_a_step_that_fails_always_ends_no_process(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(message: object) -> None:
        raise ZeroDivisionError

    async with running(Pipeline(tmp_path, intensity=0)) as pipeline:
        collector = pipeline.collector
        with monkeypatch.context() as patch:
            patch.setattr(collector.front.enrichment, "handle", fail)
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
        fail_once(collector.front.gate, "handle", monkeypatch)
        assert await pipeline.send() == [SET_ASIDE]
        fail_once(collector.front.gate, "handle", monkeypatch)
        with pytest.raises(OverloadedError):
            await pipeline.send()
        assert await pipeline.send() == [ACCEPTED]
        assert collector.status()["dead_letters"] == {"status": "down", "kept": 1, "full": True}
        (letter_id,) = collector.letters.ids()
        collector.letters.directory.mark(letter_id)
        await trio.sleep(10)
        assert collector.status()["dead_letters"] == {"status": "ok", "kept": 0, "full": False}
    assert len(pipeline.events()) == 2


async def test_a_sender_is_answered_when_the_letter_is_on_the_disk(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        collector = pipeline.collector
        full = OSError(28, "No space left on device")
        with monkeypatch.context() as patch:
            patch.setattr(collector.letters.directory, "write", lambda batch: [full] * len(batch))
            fail_once(collector.front.gate, "handle", monkeypatch)
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


async def test_figures_are_read_from_their_owners_and_change_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        await pipeline.send()
        await trio.sleep(1)
        figures = pipeline.collector.metrics.exposition().decode()
        assert "sluice_sessions_open 1.0" in figures
        assert "sluice_rows_gathered 1.0" in figures
        # The fold's time is the log's, which stands still while nothing is appended.
        await trio.sleep(1801)
        assert "sluice_sessions_open 1.0" in pipeline.collector.metrics.exposition().decode()
        await trio.sleep(60)
        await pipeline.send(client_ip="198.51.100.1")
        assert "sluice_sessions_open 1.0" in pipeline.collector.metrics.exposition().decode()


@pytest.mark.parametrize("landed", [False, True], ids=["lost on the way", "stored unheard"])
async def test_after_a_crash_everything_is_stored_once_and_visits_go_on(
    autojump_clock: MockClock, tmp_path: Path, landed: bool
) -> None:
    first = Pipeline(tmp_path, on_disk=True)
    first.store.lands_before_failing = landed
    first.store.outages = [an_outage() for _ in range(10_000)]
    async with crashing(first):
        for number in range(250):
            assert await first.send(pathname=f"/{number}") == [ACCEPTED]
    assert (first.log.backlog, first.log.committed.number) == (250, 0)
    assert first.log.prepared is not None

    first.store.outages = []
    second = Pipeline(tmp_path, on_disk=True, store=first.store)
    assert second.log.prepared == first.log.prepared
    async with running(second):
        assert await second.send(pathname="/last", name="engagement") == [ACCEPTED]
        await trio.sleep(30)
        assert second.log.backlog == 0
    assert [event["pathname"] for event in second.events()] == [
        *(f"/{number}" for number in range(250)),
        "/last",
    ]
    assert len({event["session_id"] for event in second.events()}) == 1
    assert sum(row[1] * row[10] for row in second.store.rows["sessions_v2"]) == 250
    assert sum(row[1] for row in second.store.rows["sessions_v2"]) == 1
    assert second.counted() == {"buffered": 251}


async def test_visits_go_on_from_a_checkpoint(autojump_clock: MockClock, tmp_path: Path) -> None:
    first = Pipeline(tmp_path, on_disk=True)
    async with running(first):
        await first.send(pathname="/first")
    second = Pipeline(tmp_path, on_disk=True, start=NOON + 60, store=first.store)
    async with crashing(second):
        await second.send(pathname="/second")
        await trio.sleep(70)
        await second.send(pathname="/third")
    third = Pipeline(tmp_path, on_disk=True, start=NOON + 180, store=first.store)
    assert third.storing.partition.sessions.cursor.number == 2
    async with running(third):
        await third.send(pathname="/fourth")
    assert [event["pathname"] for event in third.events()] == [
        "/first",
        "/second",
        "/third",
        "/fourth",
    ]
    assert len({event["session_id"] for event in third.events()}) == 1
    assert sum(row[1] * row[11] for row in third.store.rows["sessions_v2"]) == 4


@pytest.mark.parametrize("lost", ["nothing", "checkpoint", "later checkpoint"])
async def test_without_a_checkpoint_that_fits_visits_begin_anew(
    autojump_clock: MockClock, tmp_path: Path, lost: str
) -> None:
    """The log no longer tells how they began: no row is cancelled that was never stored."""
    path = tmp_path / "checkpoint"
    first = Pipeline(tmp_path, on_disk=True)
    async with crashing(first):
        await first.send(pathname="/first")
        await trio.sleep(70)
        earlier = path.read_bytes()
        await first.send(pathname="/second")
        await trio.sleep(70)
        assert first.log.first > 1
        await first.send(pathname="/third")
        await trio.sleep(20)
    if lost == "checkpoint":
        path.unlink()
    elif lost == "later checkpoint":
        path.write_bytes(earlier)
    second = Pipeline(tmp_path, on_disk=True, start=NOON + 180, store=first.store)
    assert second.log.committed.number == 3
    async with running(second):
        await second.send(pathname="/fourth")
    visits = [event["session_id"] for event in second.events()]
    assert len(set(visits[:3])) == 1
    assert (visits[3] == visits[2]) == (lost == "nothing")
    sums: dict[tuple[int, int], int] = {}
    for row in second.store.rows["sessions_v2"]:
        sums[row[0], row[11]] = sums.get((row[0], row[11]), 0) + row[1]
    assert set(sums.values()) <= {0, 1}
    assert sum(row[1] * row[11] for row in second.store.rows["sessions_v2"]) == 4


async def test_an_outage_longer_than_memory_waits_on_disk(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    pipeline = Pipeline(tmp_path, on_disk=True)
    pipeline.store.outages = [an_outage() for _ in range(10_000)]
    async with running(pipeline):
        for number in range(2_000):
            assert await pipeline.send(pathname=f"/{number}") == [ACCEPTED]
        status = pipeline.collector.status()
        assert status["journal"]["backlog_events"] == 2_000
        assert status["store"]["status"] == "degraded"
        assert pipeline.storing.partition.batcher.gathered <= 3 * FLUSH_ROWS
        pipeline.store.outages = []
        await trio.sleep(60)
        assert pipeline.log.backlog == 0
    assert [event["pathname"] for event in pipeline.events()] == [
        f"/{number}" for number in range(2_000)
    ]


async def test_a_full_log_refuses_and_takes_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    pipeline = Pipeline(tmp_path, on_disk=True, limit_bytes=60_000)
    pipeline.store.outages = [an_outage() for _ in range(10_000)]
    async with running(pipeline):
        accepted = await _until_refused(pipeline)
        assert not pipeline.collector.accepting
        assert pipeline.collector.status()["journal"]["status"] == "down"
        pipeline.store.outages = []
        await trio.sleep(90)
        assert pipeline.collector.accepting
        assert await pipeline.send() == [ACCEPTED]
    assert len(pipeline.events()) == accepted + 1
    assert pipeline.counted()["buffered"] == accepted + 1
    assert pipeline.counted()["dropped_persist_timeout"] == 1


@pytest.mark.parametrize(
    ("actor", "method"),
    [
        ("gate", "handle"),
        ("enrichment", "handle"),
        ("recorder", "handle"),
        ("sessions", "_fold_run"),
        ("sessions", "_take"),
        ("batcher", "take_in"),
        ("writer", "_attempt"),
    ],
)
async def test_each_actor_may_fail_under_load(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    actor: str,
    method: str,
) -> None:
    """One failure in the middle of a stream: what was accepted is stored, once."""
    pipeline = Pipeline(tmp_path, on_disk=True)
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
            failed = fail_once(actor_of(pipeline, actor), method, monkeypatch)
        await trio.sleep(30)
        assert failed()
        redrive_all(pipeline)
        await trio.sleep(30)
    assert len(accepted) >= 399
    stored = [event["pathname"] for event in pipeline.events()]
    assert set(accepted) <= set(stored)
    assert len(stored) == len(set(stored)) == 400


async def test_without_a_log_on_disk_sessions_go_on_after_a_restart(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    store = FakeStore()
    for page in ("/before", "/after"):
        async with a_process(tmp_path, store, durability="memory") as collector:
            request = a_request(pathname=page, timestamp=collector.clock.seconds())
            assert await collector.intake.submit(request) == [ACCEPTED]
    assert len({row[4] for row in store.rows["events_v2"]}) == 1
    assert [row[1] for row in store.rows["sessions_v2"]] == [1, -1, 1]

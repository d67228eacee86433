"""Imports through the fronts of a cluster: what the workers store is as in a single process."""

import gzip
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors.cluster.failure import KafkaFailure
from actors.cluster.import_destination import OutboxDestination
from actors.cluster.producer_thread import Message
from actors.imports import past_import as module
from actors.imports.opening import ImportMistakeError
from actors.imports.past_import import SALT_GONE, PastImport
from benchmarks.access_logs import START, combined, requests
from ingest.engine.heartbeat import Heartbeat, encode_heartbeat
from ingest.past.import_progress import Phase
from ingest.sessions.salts import LIFETIME
from tests.actors.cluster.importing_fronts import DAY, PARTITIONS, ClusterEnvironment, Stored
from tests.actors.imports.running_imports import (
    DeathError,
    ImportEnvironment,
    an_import_request,
)

LOG = b"".join(combined(request).encode() + b"\n" for request in requests(400))
NOW = START + DAY
CUT = LOG.rfind(b"\n", 0, len(LOG) // 2) + 1


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRETCH_EVENTS", 50)


@pytest.fixture
async def environment(tmp_path: Path, autojump_clock: MockClock) -> ClusterEnvironment:
    return ClusterEnvironment(tmp_path, NOW)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ImportEnvironment:
    """The log as a single process stores it."""

    async def imported() -> ImportEnvironment:
        environment = ImportEnvironment(tmp_path_factory.mktemp("whole"), NOW)
        await environment.run(an_import_request(environment.write(LOG)))
        return environment

    return trio.run(imported)


def is_as(stored: Stored, whole: ImportEnvironment) -> bool:
    rows: list[tuple[Any, ...]] = sorted((*row[:3], *row[5:]) for row in whole.events())
    return stored.without_ids() == rows and stored.visits == whole.visits()


async def test_an_import(
    environment: ClusterEnvironment, whole: ImportEnvironment, autojump_clock: MockClock
) -> None:
    request = an_import_request(environment.write(LOG))
    async with environment.front("a") as front:
        progress = await front.run(request)
    assert progress.phase is Phase.FINISHED
    assert progress.counts.accepted == len(whole.events()) > 100
    # Only workers know them.
    assert progress.counts.visits is None
    assert progress.notes == (OutboxDestination.note,)
    stored = environment.folded()
    assert is_as(stored, whole)
    assert len(stored.partitions) == PARTITIONS


async def test_each_front_knows_what_was_imported(
    environment: ClusterEnvironment, whole: ImportEnvironment, autojump_clock: MockClock
) -> None:
    async with environment.front("a") as front:
        first = await front.run(an_import_request(environment.write(LOG)))
    request = an_import_request(environment.write(gzip.compress(LOG), "other.gz"))
    async with environment.front("b") as front:
        progress = await front.run(request)
    assert (progress.phase, progress.id, progress.notes) == (Phase.KNOWN, first.id, ())
    assert progress.counts == first.counts
    assert is_as(environment.folded(), whole)
    again = an_import_request(environment.write(LOG), anew=True)
    async with environment.front("b") as front:
        progress = await front.run(again)
        assert progress.phase is Phase.FINISHED
        assert progress.id != first.id
    assert len(environment.folded().events) == 2 * len(whole.events())
    changed = an_import_request(environment.write(LOG[:-100] + LOG[-200:]))
    async with environment.front("b") as front:
        with pytest.raises(ImportMistakeError, match="begins like the file of import"):
            await front.run(changed)


@pytest.mark.parametrize("answers", [True, False], ids=["kafka answers", "kafka is away"])
async def test_killed_at_any_moment_and_continued_at_another_front(
    tmp_path: Path, whole: ImportEnvironment, autojump_clock: MockClock, answers: bool
) -> None:
    """The front that was killed sends its outbox after the import has ended elsewhere."""
    steps = 0
    died = True
    while died:
        directory = tmp_path / f"{steps}"
        directory.mkdir()
        environment = ClusterEnvironment(directory, NOW)
        request = an_import_request(environment.write(LOG))
        died = False
        environment.kafka.answers = answers
        async with environment.front("a") as front:
            with trio.move_on_after(60):
                try:
                    await front.run(request, steps)
                except DeathError:
                    died = True
        environment.kafka.answers = True
        async with environment.front("b") as front:
            progress = await front.run(request)
        assert progress.phase in (Phase.FINISHED, Phase.KNOWN)
        assert progress.counts.accepted == len(whole.events())
        async with environment.front("a") as front:
            await trio.sleep(5)
            assert front.forwarder.backlog == 0
            assert (await front.run(request)).phase is Phase.KNOWN
        assert is_as(environment.folded(), whole), steps
        steps += 1
    assert steps > (10 if answers else 3)


async def test_two_fronts_import_the_same_at_the_same_time(
    environment: ClusterEnvironment, whole: ImportEnvironment, autojump_clock: MockClock
) -> None:
    request = an_import_request(environment.write(LOG))
    async with (
        environment.front("a") as a,
        environment.front("b") as b,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(a.run, request)
        nursery.start_soon(b.run, request)
    assert is_as(environment.folded(), whole)


async def test_a_log_that_grows_at_two_fronts(
    environment: ClusterEnvironment, whole: ImportEnvironment, autojump_clock: MockClock
) -> None:
    part = an_import_request(environment.write(LOG[:CUT]), growing=True)
    async with environment.front("a") as front:
        await front.run(part)
    async with environment.front("b") as front:
        await front.run(an_import_request(environment.write(LOG)))
    assert is_as(environment.folded(), whole)


async def test_no_salt_is_kept(environment: ClusterEnvironment, autojump_clock: MockClock) -> None:
    request = an_import_request(environment.write(LOG))
    async with environment.front("a") as front:
        with pytest.raises(DeathError):
            await front.run(request, 8)
        await trio.sleep(1)
        (state,) = await trio.to_thread.run_sync(lambda: list(front.states.states()))
        assert state.salt is not None
        assert state.salt.created_at == environment.salt.created_at
    key = state.salt.key.hex().encode()
    assert not any(key in (message.value or b"") for message in environment.control.messages)
    assert list(environment.directory.iterdir()) == [environment.directory / "access.log"]
    # The agreed salt of that day is deleted, and the front has another one.
    environment.now += LIFETIME
    environment.salt = type(environment.salt)(
        int(environment.now // DAY), bytes(16), int(environment.now)
    )
    async with environment.front("b") as front:
        progress = await front.run(request)
    assert progress.earlier_lines > 0
    assert SALT_GONE in progress.notes


async def test_waits_while_kafka_is_away(
    environment: ClusterEnvironment, whole: ImportEnvironment, autojump_clock: MockClock
) -> None:
    request = an_import_request(environment.write(LOG))
    environment.control.away = True
    async with environment.front("a") as front, trio.open_nursery() as nursery:
        nursery.start_soon(front.run, request)
        await trio.sleep(60)
        assert front.log.end.position == 0
        environment.control.away = False
    assert is_as(environment.folded(), whole)


async def test_live_events_go_first(
    environment: ClusterEnvironment, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.cluster.import_destination.ROOM_EVENTS", 10)
    environment.kafka.answers = False
    request = an_import_request(environment.write(LOG))
    async with environment.front("a") as front:
        with trio.move_on_after(60):
            await front.run(request)
        assert not front.destination.has_room
        assert front.forwarder.backlog == 50


async def test_it_waits_for_workers_that_are_behind(
    environment: ClusterEnvironment, whole: ImportEnvironment, autojump_clock: MockClock
) -> None:
    request = an_import_request(environment.write(LOG))
    late = Heartbeat("w", "worker", "host", "1", environment.now, oldest_seconds=61)
    async with environment.front("a") as front:
        cluster = front.cluster
        cluster.apply(late.key, encode_heartbeat(late), environment.now)
        with trio.move_on_after(10):
            await front.run(request)
        assert front.log.end.position == 0
        assert front.destination.waits
        in_time = replace(late, oldest_seconds=5)
        cluster.apply(late.key, encode_heartbeat(in_time), environment.now)
        await front.run(request)
    assert is_as(environment.folded(), whole)


async def test_it_says_that_it_waits_for_kafka(
    environment: ClusterEnvironment, autojump_clock: MockClock
) -> None:
    environment.kafka.answers = False
    past_request = an_import_request(environment.write(LOG))
    async with environment.front("a") as front:
        past_import = PastImport(past_request, front.context)
        with trio.move_on_after(60):
            await past_import.run()
        assert front.destination.has_room
        assert past_import.progress().phase is Phase.WAITING


async def test_a_state_that_kafka_refuses_or_that_is_not_understood(
    environment: ClusterEnvironment, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(message: Message) -> int:
        raise KafkaFailure("TOPIC_AUTHORIZATION_FAILED", "not allowed", passing=False)

    await environment.control.send(Message("control", 0, b"nonsense", b"import:x"))
    request = an_import_request(environment.write(LOG))
    async with environment.front("a") as front:
        monkeypatch.setattr(front.states, "_send", refuse)
        with pytest.raises(ImportMistakeError, match="not allowed"):
            await front.run(request)
    assert environment.kafka.topic == {}

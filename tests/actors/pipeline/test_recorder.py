import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.clock.wall_clock import Clock
from actors.letters import dead_letters
from actors.log.file_log import FileLog
from actors.log.log import LogBrokenError, LogError, LogFullError, WritableLog
from actors.log.memory_log import MemoryLog
from actors.pipeline.recorder import Recorder
from actors.pipeline.verdicts import Ticket, Verdicts
from actors.supervision.supervisor import Supervisor
from ingest.model.event import EnrichedEvent, Source
from ingest.model.verdict import ACCEPTED, NOT_KEPT, SET_ASIDE, DropReason, Verdict
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.records.record import DropCounts, MetricCount, Record
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import LettersAtOnce
from tests.actors.log.files import fail_with, open_log
from tests.actors.log.records import DESCRIPTION
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import NOON, a_ticketed_event, an_event

TOO_LONG = 2**64
"""A number that the log's records cannot hold."""

BOT = Verdict(DropReason.BOT)


class RunRecorder:
    """A recorder, the log that it appends to, and the requests that wait."""

    def __init__(self, directory: Path, log: WritableLog | None = None) -> None:
        self.log = log or MemoryLog(DESCRIPTION, limit_events=100, log_time=NOON)
        self.drops = DropCounter()
        self.verdicts = Verdicts(self.drops, Metrics(lambda domain: True), no_broadcast())
        self.letters = LettersAtOnce(directory / "letters")
        self.send, inbox = trio.open_memory_channel[Sequence[TicketedEvent]](100)
        self.recorder = Recorder(
            inbox,
            self.log,
            Clock(NOON + 7),
            self.verdicts,
            self.letters,
            self.drops,
            {"example.com": 1}.get,
        )

    def request(self, *pathnames: str, **fields: Any) -> list[Ticket]:
        """Send a run of events, each of a request of its own."""
        tickets = [self.verdicts.open(1) for _ in pathnames]
        self.send.send_nowait(
            [
                a_ticketed_event(ticket=ticket.number, pathname=pathname, **fields)
                for ticket, pathname in zip(tickets, pathnames, strict=True)
            ]
        )
        return tickets

    async def record(self) -> None:
        """Up to the end of its inbox."""
        self.send.close()
        await Supervisor().supervise(self.recorder)

    async def records(self) -> list[Record]:
        records: list[Record] = []
        position = self.log.first
        while position < self.log.end.position:
            run = await self.log.read(position)
            assert run is not None
            records += run.records
            position = run.end
        return records

    async def pages(self) -> list[str]:
        records = await self.records()
        return [record.pathname for record in records if isinstance(record, EnrichedEvent)]

    async def counted(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        for record in await self.records():
            if isinstance(record, DropCounts):
                for count in record.counts:
                    counted[count.metric] = counted.get(count.metric, 0) + count.events
        return counted


def verdicts_of(tickets: Sequence[Ticket]) -> list[Verdict | None]:
    return [verdict for ticket in tickets for verdict in ticket.verdicts]


async def test_each_run_is_appended_at_once_and_then_accepted(tmp_path: Path) -> None:
    running = RunRecorder(tmp_path)
    tickets = running.request("/a", "/b") + running.request("/c")
    await running.record()
    assert await running.pages() == ["/a", "/b", "/c"]
    assert verdicts_of(tickets) == [ACCEPTED] * 3
    run = await running.log.read(1)
    assert run is not None
    assert run.log_time == NOON + 7


async def test_while_the_fold_reads_the_verdict_is_the_folds(tmp_path: Path) -> None:
    running = RunRecorder(tmp_path)
    running.verdicts.fold_reads()
    tickets = running.request("/a", "/b")
    await running.record()
    assert verdicts_of(tickets) == [None, None]
    running.verdicts.folded(running.log.end.position, {})
    assert verdicts_of(tickets) == [ACCEPTED, ACCEPTED]


async def test_what_nobody_waits_for_any_more_is_not_appended(tmp_path: Path) -> None:
    running = RunRecorder(tmp_path)
    gone, waiting = running.request("/gone", "/waiting")
    running.verdicts.withdraw(gone)
    await running.record()
    assert await running.pages() == ["/waiting"]
    assert verdicts_of([waiting]) == [ACCEPTED]
    assert await running.counted() == {"dropped_lock_timeout": 1}


@pytest.mark.parametrize(
    "refusal",
    [LogError("no answer"), LogFullError("too much"), LogBrokenError("a sync failed")],
    ids=lambda refusal: type(refusal).__name__,
)
async def test_what_the_log_does_not_take_is_to_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: LogError
) -> None:
    running = RunRecorder(tmp_path)
    append, failures = running.log.append, [refusal]

    async def failing(records: Sequence[Record], log_time: int) -> int:
        await trio.lowlevel.checkpoint()
        if failures:
            raise failures.pop()
        return await append(records, log_time)

    monkeypatch.setattr(running.log, "append", failing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running.recorder.run)
        refused = running.request("/a", "/b")
        await wait_all_tasks_blocked()
        accepted = running.request("/c")
        await wait_all_tasks_blocked()
        assert verdicts_of(refused) == [NOT_KEPT, NOT_KEPT]
        assert verdicts_of(accepted) == [ACCEPTED]
        running.send.close()
    assert await running.pages() == ["/c"]
    assert await running.counted() == {"dropped_persist_timeout": 2}
    assert len(running.letters) == 0


async def test_a_request_is_held_while_its_event_is_appended(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Too late to tell its sender to try again."""
    log = open_log(tmp_path / "log", fsync="always")
    running = RunRecorder(tmp_path, log)
    synced = trio.Event()
    sync = log._syncer.wait

    async def slow(end: Any) -> None:
        await synced.wait()
        await sync(end)

    log._syncer.wait = slow  # type: ignore[method-assign]
    (ticket,) = running.request("/a")
    nursery.start_soon(running.recorder.run)
    await trio.sleep(20)
    running.verdicts.give_up_waiting(trio.current_time())
    assert verdicts_of([ticket]) == [None]
    synced.set()
    assert await running.verdicts.settled(ticket) == [ACCEPTED]
    nursery.cancel_scope.cancel()
    log.close()


async def test_with_always_a_sync_that_fails_is_no_acceptance(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path / "log", fsync="always")
    running = RunRecorder(tmp_path, log)
    tickets = running.request("/a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail_with(errno.EIO))
        await running.record()
    assert verdicts_of(tickets) == [NOT_KEPT]
    assert await running.pages() == []
    assert not log.accepting
    log.close()


@pytest.mark.parametrize("bad", [0, 1, 3])
async def test_an_event_that_cannot_be_encoded_costs_no_other(tmp_path: Path, bad: int) -> None:
    log = open_log(tmp_path / "log")
    running = RunRecorder(tmp_path, log)
    tickets = [running.verdicts.open(1) for _ in range(4)]
    running.send.send_nowait(
        [
            a_ticketed_event(
                ticket=ticket.number,
                pathname=f"/{number}",
                scroll_depth=TOO_LONG if number == bad else 0,
            )
            for number, ticket in enumerate(tickets)
        ]
    )
    later = running.request("/later")
    await running.record()
    expected = [f"/{number}" for number in range(4) if number != bad]
    assert await running.pages() == [*expected, "/later"]
    given = [SET_ASIDE if number == bad else ACCEPTED for number in range(4)]
    assert verdicts_of(tickets + later) == [*given, ACCEPTED]
    (letter_id,) = running.letters.ids()
    letter = await running.letters.read(letter_id)
    assert isinstance(letter.content, EnrichedEvent)
    assert (letter.actor, letter.content.scroll_depth) == ("recorder", TOO_LONG)
    assert await running.counted() == {"dropped_persist_error": 1}
    log.close()


async def test_one_that_cannot_be_kept_either_is_to_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters are full: all others go on."""
    monkeypatch.setattr(dead_letters, "LETTERS_LIMIT", 0)
    log = open_log(tmp_path / "log")
    running = RunRecorder(tmp_path, log)
    bad = running.request("/bad", nonce=TOO_LONG)
    good = running.request("/good")
    await running.record()
    assert verdicts_of(bad + good) == [NOT_KEPT, ACCEPTED]
    assert await running.counted() == {"dropped_persist_timeout": 1}
    log.close()


async def test_a_redriven_event_that_fails_again_goes_into_its_own_letter(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    running = RunRecorder(tmp_path, log)
    running.letters.keep("gate", an_event(), "x", redrive=True)
    (letter_id,) = running.letters.ids()
    tickets = running.request("/", nonce=TOO_LONG, source=Source(f"letter:{letter_id}", 1))
    await running.record()
    assert verdicts_of(tickets) == [SET_ASIDE]
    assert list(running.letters.ids()) == [letter_id]
    assert running.letters.to_redrive() == []
    assert (await running.letters.read(letter_id)).redriven == 1
    log.close()


def count_drops(running: RunRecorder, number: int = 1) -> None:
    for _ in range(number):
        running.verdicts.drop(an_event(tracker_version=36), BOT)


COUNTED = DropCounts((MetricCount(NOON, "example.com", 1, "dropped_bot", 36, 2),))


async def test_the_last_counts_are_appended_before_the_log_is_sealed(tmp_path: Path) -> None:
    running = RunRecorder(tmp_path)
    running.request("/a")
    count_drops(running, 2)
    await running.record()
    assert (await running.records())[-1] == COUNTED
    assert len(running.drops) == 0
    with pytest.raises(LogError):
        await running.log.append([COUNTED], NOON)


async def test_counts_are_appended_with_their_sites(tmp_path: Path) -> None:
    running = RunRecorder(tmp_path)
    await running.recorder.append_drops()
    assert running.log.end.position == 1
    count_drops(running, 2)
    running.verdicts.drop(an_event(domains=("unknown.example",)), Verdict(DropReason.NOT_FOUND))
    await running.recorder.append_drops()
    await running.recorder.append_drops()
    counts = [
        (count.domain, count.site_id, count.metric, count.events)
        for record in await running.records()
        if isinstance(record, DropCounts)
        for count in record.counts
    ]
    assert sorted(counts) == [
        ("example.com", 1, "dropped_bot", 2),
        ("unknown.example", None, "dropped_not_found", 1),
    ]


@pytest.mark.parametrize(
    ("error", "raised"),
    [(LogFullError("full"), False), (LogBrokenError("broken"), False), (ZeroDivisionError(), True)],
    ids=["full", "broken", "a mistake"],
)
async def test_counts_that_the_log_refuses_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: bool
) -> None:
    running = RunRecorder(tmp_path)
    count_drops(running)

    async def refuse(records: Sequence[Record], log_time: int) -> int:
        await trio.lowlevel.checkpoint()
        count_drops(running)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(running.log, "append", refuse)
        if raised:
            with pytest.raises(ZeroDivisionError):
                await running.recorder.append_drops()
        else:
            await running.recorder.append_drops()
    await running.recorder.append_drops()
    assert (await running.records())[-1] == COUNTED


def before(log: FileLog, release: trio.Event) -> None:
    append = log.append

    async def wait(records: Sequence[Record], log_time: int) -> int:
        await trio.lowlevel.checkpoint_if_cancelled()
        return await append(records, log_time)

    log.append = wait  # type: ignore[method-assign]
    release.set()


def during_the_sync(log: FileLog, release: trio.Event) -> None:
    async def wait(end: object) -> None:
        release.set()
        await trio.sleep_forever()

    log._syncer.wait = wait  # type: ignore[method-assign]


@pytest.mark.parametrize("moment", [before, during_the_sync])
async def test_counts_are_not_doubled_when_appending_is_cancelled(
    autojump_clock: MockClock,
    tmp_path: Path,
    nursery: trio.Nursery,
    moment: Callable[[FileLog, trio.Event], None],
) -> None:
    log = open_log(tmp_path / "log", fsync="always")
    running = RunRecorder(tmp_path, log)
    count_drops(running, 2)
    release = trio.Event()
    wait = log._syncer.wait
    moment(log, release)
    with trio.CancelScope() as scope:
        if moment is before:
            scope.cancel()
        else:
            nursery.start_soon(_cancel_after, release, scope)
        await running.recorder.append_drops()
    log._syncer.wait = wait  # type: ignore[method-assign]
    await running.record()
    log.close()
    running.log = open_log(tmp_path / "log")
    assert await running.counted() == {"dropped_bot": 2}
    running.log.close()


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()

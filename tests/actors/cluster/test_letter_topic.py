from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from actors.cluster import letter_topic
from actors.cluster.letter_topic import LetterNotFoundError, LetterTopic
from actors.cluster.topic_reader import TopicMessage
from actors.log.memory_log import MemoryLog
from actors.pipeline.flush import Flush
from ingest.letters.dead_letter import LogPosition
from ingest.records.record import Description
from ingest.rows.batch import Insert
from tests.actors.cluster.simulated_group import Coordinator, Process
from tests.actors.cluster.simulated_topics import ProcessTopics, SimulatedTopics
from tests.examples import NOON, an_enriched_event

TOKEN = "0123456789abcdef-3-64-128-events"
AT = LogPosition("0123456789abcdef-3", 3, 65)


class RunLetters:
    """The topic, and who follows it."""

    def __init__(self) -> None:
        random = Random(1)  # noqa: S311
        self.clock = Clock(NOON)
        self.topics = SimulatedTopics(random, Coordinator(random, 4), 4)

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[LetterTopic]:
        process = ProcessTopics(Process(), self.topics)
        letters = LetterTopic(
            process.letter_reader(),
            process.letters_end,
            process.letter_reader,
            process.send_letter,
            self.clock.now,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(letters.run)
            await letters.read_to_end()
            yield letters
            nursery.cancel_scope.cancel()


def an_insert(rows: int = 2, token: str = TOKEN) -> Insert:
    return Insert("events_v2", tuple((number, "x") for number in range(rows)), token)


async def test_all_workers_see_a_letter(autojump_clock: MockClock) -> None:
    run = RunLetters()
    event, kept = an_enriched_event(), list[bool]()
    async with run.follow() as first, run.follow() as second:
        assert first.keep("sessions", event, ValueError(), position=AT, told=kept.append)
        assert kept == []
        await first.written()
        assert kept == [True]
        await second.read_to_end()
        for letters in (first, second):
            await letters.read_to_end()
            assert [header.id for header in letters.headers()] == [AT.letter_id]
            assert letters.set_aside_positions(AT.log, 3) == {65}
            assert letters.set_aside_positions(AT.log, 2) == set()
            letter = await letters.read(AT.letter_id)
            assert (letter.content, letter.position, letter.partition) == (event, AT, 3)
            assert letters.figures() == {"sluice_dead_letters_kept": 1}
    async with run.follow() as later:
        assert later.set_aside_positions(AT.log, 3) == {65}


async def test_what_is_kept_twice_is_one_letter(autojump_clock: MockClock) -> None:
    run = RunLetters()
    kept: list[bool] = []
    async with run.follow() as first, run.follow() as second:
        for letters in (first, second, first):
            assert letters.keep("writer", an_insert(), "no", key=TOKEN, told=kept.append)
            await letters.written()
            await letters.read_to_end()
        assert kept == [True] * 3
        assert len(first) == len(second) == 1


async def test_a_mark_settles_a_letter_for_all(autojump_clock: MockClock) -> None:
    run = RunLetters()
    async with run.follow() as first, run.follow() as second:
        first.keep("sessions", an_enriched_event(), None, position=AT)
        await first.written()
        await second.read_to_end()
        assert await second.mark(AT.letter_id, "dropped")
        await first.read_to_end()
        assert first.headers() == second.headers() == []
        # The record is still not to be folded.
        assert first.set_aside_positions(AT.log, 3) == {65}
        with pytest.raises(LetterNotFoundError):
            await first.read(AT.letter_id)


async def test_rows_are_redriven_by_the_owner_of_their_partition(
    autojump_clock: MockClock,
) -> None:
    run = RunLetters()
    log = MemoryLog(Description(60), limit_events=1, log_time=NOON)
    outlet, flushes = trio.open_memory_channel[Flush](0)
    async with run.follow() as owner, run.follow() as other:
        owner.keep("writer", an_insert(), "no such column", key=TOKEN)
        await owner.written()
        await other.read_to_end()
        await other.mark(TOKEN, "redrive")
        await owner.read_to_end()
        assert owner.to_redrive("rows", 2) == []
        assert owner.to_redrive("rows", 3) == [TOKEN]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(owner.redrive_rows, TOKEN, outlet, log)
            flush = await flushes.receive()
            assert flush.inserts == (Insert("events_v2", an_insert().rows, TOKEN, True),)
            assert flush.letter == TOKEN
            flush.stored.set()
        await other.read_to_end()
        assert owner.headers() == other.headers() == []


async def test_rows_that_are_refused_again_wait_again(autojump_clock: MockClock) -> None:
    run = RunLetters()
    log = MemoryLog(Description(60), limit_events=1, log_time=NOON)
    outlet, flushes = trio.open_memory_channel[Flush](0)
    async with run.follow() as owner:
        owner.keep("writer", an_insert(), "no such column", key=TOKEN)
        await owner.written()
        await owner.read_to_end()
        await owner.mark(TOKEN, "redrive")
        await owner.read_to_end()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(owner.redrive_rows, TOKEN, outlet, log)
            flush = await flushes.receive()
            assert owner.keep("writer", flush.inserts[0], "still none", letter=TOKEN)
            await owner.written()
            flush.stored.set()
        await owner.read_to_end()
        assert owner.to_redrive("rows") == []
        assert [header.error for header in owner.headers()] == ["still none"]


async def test_a_message_is_kept_with_its_bytes(autojump_clock: MockClock) -> None:
    run = RunLetters()
    async with run.follow() as letters:
        message = TopicMessage(9, NOON, None, b"\xff?")
        assert await letters.keep_message(3, message, "not a message")
        await letters.read_to_end()
        (header,) = letters.headers()
        assert (header.id, header.kind, header.error) == ("message-3-9", "message", "not a message")
        assert await letters.keep_message(3, message, "again")
        assert len(letters) == 1


async def test_large_letters_take_several_messages(autojump_clock: MockClock) -> None:
    run = RunLetters()
    noise = Random(1)  # noqa: S311
    rows = tuple((noise.randbytes(400).hex(),) for _ in range(5_000))
    insert = Insert("events_v2", rows, TOKEN)
    async with run.follow() as letters:
        letters.keep("writer", insert, "no", key=TOKEN)
        await letters.written()
        assert len(run.topics.letters) > 1
        await letters.read_to_end()
        assert (await letters.read(TOKEN)).content == insert


async def test_letters_are_limited_and_expire(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_topic, "LETTERS_LIMIT", 2)
    monkeypatch.setattr(letter_topic, "RETENTION_SECONDS", 100)
    run = RunLetters()
    async with run.follow() as letters:
        for number in range(2):
            assert letters.keep("writer", an_insert(token=f"t{number}"), "no", key=f"t{number}")
        assert not letters.keep("writer", an_insert(token="t2"), "no", key="t2")
        assert letters.full
        assert letters.status()["status"] == "down"
        assert not await letters.keep_message(3, TopicMessage(9, NOON, None, b""), "no")
        await letters.written()
        await letters.read_to_end()
        assert len(letters) == 2
        await trio.sleep(110)
        assert len(letters) == 0
        assert not letters.full


async def test_letters_are_sent_once_the_brokers_answer(autojump_clock: MockClock) -> None:
    run = RunLetters()
    async with run.follow() as letters:
        run.topics.trouble = 1.0
        letters.keep("writer", an_insert(), "no", key=TOKEN)
        with trio.move_on_after(10) as waiting:
            await letters.written()
        assert waiting.cancelled_caught
        assert letters.status()["status"] == "degraded"
        run.topics.trouble = 0.0
        await letters.written()
        await letters.read_to_end()
        assert len(letters) == 1
        assert letters.status()["status"] == "ok"

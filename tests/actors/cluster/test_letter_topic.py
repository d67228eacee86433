from collections.abc import Mapping

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors.cluster import letter_topic as letter_topic_module
from actors.cluster.failure import KafkaFailure
from actors.cluster.letter_topic import LetterTopic
from actors.cluster.topic_reader import TopicMessage
from actors.log.memory_log import MemoryLog
from actors.pipeline.sessions import Sessions
from ingest.fold import fold as fold_module
from ingest.fold.checkpoint import FoldState
from ingest.fold.folded_run import FoldedRun
from ingest.model.event import EnrichedEvent, Source
from ingest.model.verdict import Verdict
from ingest.rows.batch import Insert
from tests.actors.cluster.letters_in_memory import (
    LOG,
    MOMENT,
    PARTITION,
    LettersInMemory,
    at,
    kept,
)
from tests.actors.log.records import DESCRIPTION
from tests.examples import NOON, an_enriched_event

ROWS = Insert("events_v2", ((1,), (2,)), f"{LOG}-0-640-events")
EVENT = an_enriched_event(partition=PARTITION)


async def test_all_processes_see_a_letter(
    autojump_clock: MockClock, memory: LettersInMemory
) -> None:
    letters, other = memory.follow(), memory.follow()
    letter_id = await kept(letters, EVENT, at(640))
    assert letter_id == f"{LOG}-{PARTITION}-640"
    await other.read_to_end()
    (record,) = [each async for each in other.find([letter_id, "unknown"])]
    assert record.header.about == {"domain": "example.com", "timestamp": NOON}
    letter = await record.letter()
    assert (letter.content, letter.position, letter.partition) == (EVENT, at(640), PARTITION)
    for each in (letters, other):
        assert each.set_aside_positions(LOG, PARTITION) == {640}
        assert each.status() == {"status": "ok", "kept": 1, "full": False}


async def test_nothing_is_found_without_ids(
    autojump_clock: MockClock, memory: LettersInMemory
) -> None:
    assert [each async for each in memory.follow().find([])] == []


async def test_what_is_kept_again_is_the_same_letter(
    autojump_clock: MockClock, memory: LettersInMemory
) -> None:
    letters, other = memory.follow(), memory.follow()
    await kept(letters, ROWS)
    await other.read_to_end()
    outcome: list[bool] = []
    assert other.keep("writer", ROWS, "x", key="token", told=outcome.append)
    assert outcome == [True]
    assert len(memory.topics.letters) == 1


async def test_reading_to_the_end_takes_what_was_read(
    autojump_clock: MockClock, memory: LettersInMemory
) -> None:
    """The reader is at the end before its messages are taken."""
    await kept(memory.follow(), EVENT, at(640))
    reader = HastyReader(memory.topics.letters)
    letters = LetterTopic(reader, reader.end, lambda start: reader, _refuse, lambda: NOON)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(letters.run)
        await letters.read_to_end()
        assert letters.set_aside_positions(LOG, PARTITION) == {640}
        nursery.cancel_scope.cancel()


class HastyReader:
    """Is at the end before it returns what is there."""

    def __init__(self, messages: list[TopicMessage]) -> None:
        self.position: int | None = len(messages)
        self.caught_up = True
        self._messages = messages

    async def read(self) -> list[TopicMessage]:
        await trio.sleep(1)
        return self._messages

    async def end(self) -> int:
        await trio.lowlevel.checkpoint()
        return len(self._messages)

    def close(self) -> None:
        pass


async def _refuse(key: bytes, data: bytes) -> int:
    await trio.lowlevel.checkpoint()
    raise KafkaFailure("TOPIC_AUTHORIZATION_FAILED", "not allowed", passing=False)


async def test_a_redriven_event_that_fails_again_is_the_same_letter(
    autojump_clock: MockClock,
    memory: LettersInMemory,
) -> None:
    letters = memory.follow()
    letter_id = await kept(letters, EVENT, at(640))
    header = letters.letters.letters[letter_id].header
    await letters.mark(header, "redrive")
    event = replace(EVENT, source=Source(f"letter:{letter_id}", 1))

    assert letters.keep("sessions", event, "again", position=at(1280))
    await letters.mark(header, "redriven")  # by a front that was late
    await trio.sleep(MOMENT)

    (again,) = letters.letters.letters.values()
    assert (again.header.id, again.header.redriven, again.redrive) == (letter_id, 1, False)
    assert letters.set_aside_positions(LOG, PARTITION) == {640, 1280}
    outcome: list[bool] = []
    # The next owner of the partition comes upon the same record.
    assert letters.keep("sessions", event, "again", position=at(1280), told=outcome.append)
    assert outcome == [True]


async def test_rows_that_are_refused_again_wait_again(
    autojump_clock: MockClock, memory: LettersInMemory
) -> None:
    letters = memory.follow()
    letter_id = await kept(letters, ROWS)
    await letters.mark(letters.letters.letters[letter_id].header, "redrive")
    assert letters.letters.to_redrive("rows", PARTITION) == [letter_id]
    assert letters.keep("writer", ROWS, "still not", letter=letter_id)
    assert letters.letters.to_redrive("rows") == []
    await trio.sleep(MOMENT)
    (again,) = letters.letters.letters.values()
    assert (again.header.error, again.header.redriven, again.redrive) == ("still not", 1, False)


@pytest.mark.parametrize("limit", ["LETTERS_LIMIT", "LETTERS_BYTES"])
async def test_limits(
    autojump_clock: MockClock, memory: LettersInMemory, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(letter_topic_module, limit, 1)
    letters = memory.follow()
    assert letters.keep("writer", ROWS, "x", key="token")
    # It counts also while it waits to be sent.
    assert not letters.keep("sessions", EVENT, "x", position=at(640))
    await trio.sleep(MOMENT)
    assert letters.status() == {"status": "down", "kept": 1, "full": True}
    assert not letters.keep("sessions", EVENT, "x", position=at(640))
    assert not await letters.keep_message(PARTITION, TopicMessage(9, NOON, None, b"?"), "version")
    # What was kept before may be updated.
    assert letters.keep("writer", ROWS, "again", letter="token")
    await trio.sleep(MOMENT)

    await letters.mark(letters.letters.letters["token"].header, "dropped")
    assert letters.status()["status"] == "ok"
    assert letters.keep("sessions", EVENT, "x", position=at(640))


class NoVerdicts:
    def folded(self, end: int, drops: Mapping[int, tuple[EnrichedEvent, Verdict]]) -> None:
        pass

    def fold_reads(self) -> None:
        pass

    def fold_waits(self) -> None:
        pass


async def test_the_fold_waits_for_room(
    autojump_clock: MockClock,
    memory: LettersInMemory,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(event: EnrichedEvent, transition: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(letter_topic_module, "LETTERS_LIMIT", 1)
    monkeypatch.setattr(fold_module, "rows_of", fail)
    letters, operator = memory.follow(), memory.follow()
    await kept(letters, ROWS)
    source = MemoryLog(DESCRIPTION, limit_events=10, log_time=NOON)
    outlet, folded = trio.open_memory_channel[FoldedRun](10)
    state = FoldState(source.id, 0, 0, NOON, DESCRIPTION, [], [], [])
    sessions = Sessions(source, outlet, state, NoVerdicts(), letters)
    nursery.start_soon(sessions.run)
    await source.append([EVENT], NOON)
    await trio.sleep(MOMENT)

    assert sessions.status()["status"] == letters.status()["status"] == "down"
    assert "waits for room" in str(sessions.status()["reason"])
    assert sessions.behind == 1

    await operator.read_to_end()
    await operator.mark(operator.letters.letters["token"].header, "dropped")
    await trio.sleep(MOMENT)

    assert sessions.status()["status"] == "ok"
    assert (await folded.receive()).rows == []
    (letter,) = letters.letters.letters.values()
    assert letter.header.kind == "enriched_event"


async def test_a_mark_that_is_refused_is_told(
    autojump_clock: MockClock, nursery: trio.Nursery, memory: LettersInMemory
) -> None:
    letter_id = await kept(memory.follow(), ROWS)
    reader = HastyReader(memory.topics.letters)
    letters = LetterTopic(reader, reader.end, lambda start: reader, _refuse, lambda: NOON)
    nursery.start_soon(letters.run)
    await letters.read_to_end()
    assert not await letters.mark(letters.letters.letters[letter_id].header, "redriven")
    # This process does not redrive it again.
    assert letter_id not in letters.letters.letters
    assert letters.trouble == "letters cannot be sent: not allowed"

from collections.abc import Sequence

import pytest
from trio.testing import MockClock

from actors.cluster.failure import KafkaFailure
from actors.cluster.letter_reading import RecordAssembler, find_records, read_records
from actors.cluster.topic_reader import TopicMessage
from ingest.engine.letter_record import letter_frames, mark_frames, mark_of
from ingest.engine.parts import Packer
from ingest.letters.dead_letter import DeadLetter
from ingest.rows.batch import Insert
from tests.examples import NOON

ROWS = tuple((number, f"{number * 2_654_435_761 % 2**64:x}") for number in range(200_000))


def a_letter(letter_id: str, rows: Sequence[tuple[int, str]] = ROWS[:1]) -> DeadLetter:
    content = Insert("events_v2", tuple(rows), letter_id)
    return DeadLetter(letter_id, "rows", "writer", NOON, "x", content)


def messages(letter: DeadLetter, content_id: int = 1) -> list[bytes]:
    packer = Packer()
    for frame in letter_frames(letter):
        packer.add(frame)
    return packer.finish(content_id)


def numbered(values: Sequence[bytes], first: int = 5) -> list[TopicMessage]:
    return [TopicMessage(first + n, NOON, None, value) for n, value in enumerate(values)]


class OneReader:
    """Returns one message at a time, or raises."""

    def __init__(self, *steps: TopicMessage | KafkaFailure) -> None:
        self.caught_up = False
        self.closed = False
        self._steps = list(steps)

    async def read(self) -> Sequence[TopicMessage]:
        step = self._steps.pop(0)
        self.caught_up = not self._steps
        if isinstance(step, KafkaFailure):
            raise step
        return [step]

    def close(self) -> None:
        self.closed = True


async def test_a_letter_of_several_messages_is_where_its_first_one_is() -> None:
    large, small = messages(a_letter("large", ROWS)), messages(a_letter("small"), 2)
    assert len(large) > 1
    assembler = RecordAssembler()
    found = [assembler.add(each) for each in numbered([large[0], *small, *large[1:]])]
    records = [record for record in found if record is not None]
    assert [(record.header.id, record.offset) for record in records] == [("small", 6), ("large", 5)]
    assert (await records[1].letter()).content == Insert("events_v2", ROWS, "large")
    assert records[1].size < sum(map(len, large))


async def test_reading_waits_and_passes_over_what_is_damaged(autojump_clock: MockClock) -> None:
    one, two = numbered([*messages(a_letter("a")), b"?"])
    reader = OneReader(KafkaFailure("_TRANSPORT", "refused"), two, one)
    assert [record.header.id async for record in read_records(reader)] == ["a"]
    assert reader.closed


async def test_reading_ends_when_it_is_not_allowed(autojump_clock: MockClock) -> None:
    reader = OneReader(KafkaFailure("TOPIC_AUTHORIZATION_FAILED", "no", passing=False))
    with pytest.raises(KafkaFailure):
        _ = [record async for record in read_records(reader)]
    assert reader.closed


async def test_finding_stops_at_the_last_wanted_letter() -> None:
    (header,) = [
        record.header
        async for record in read_records(OneReader(*numbered(messages(a_letter("b")))))
    ]
    packer = Packer()
    for frame in mark_frames(mark_of(header, "redrive", NOON)):
        packer.add(frame)
    reader = OneReader(
        *numbered(
            [
                *messages(a_letter("a")),
                *packer.finish(9),
                *messages(a_letter("b"), 2),
                *messages(a_letter("b"), 3),
                *messages(a_letter("c"), 4),
            ]
        )
    )
    found = [record async for record in find_records(reader, [header])]
    assert [(record.header.id, record.offset) for record in found] == [("b", 7)]
    assert reader.closed
    assert not reader.caught_up

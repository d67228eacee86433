import pytest
from msgspec.structs import asdict

from ingest.engine.letter_record import (
    letter_frames,
    mark_frames,
    mark_of,
    message_frames,
    read_header,
    read_letter,
    read_text,
    rows_partition,
)
from ingest.letters.dead_letter import DeadLetter, LogPosition
from ingest.rows.batch import Insert
from tests.examples import NOON, an_enriched_event

EVENT = DeadLetter(
    "x-3-3-640",
    "enriched_event",
    "sessions",
    NOON,
    "ValueError",
    an_enriched_event(partition=3),
    partition=3,
    redriven=2,
    position=LogPosition("x-3", 3, 640),
)
ROWS = DeadLetter(
    "t", "rows", "writer", NOON, "no", Insert("events_v2", ((1, "a"), (2, "b")), "t"), partition=1
)


@pytest.mark.parametrize("letter", [EVENT, ROWS])
def test_letters(letter: DeadLetter) -> None:
    frames = list(letter_frames(letter))
    assert read_letter(frames) == letter
    header = read_header(frames[0])
    assert (header.id, header.kind, header.partition) == (letter.id, letter.kind, letter.partition)
    assert header.redriven == letter.redriven
    assert header.about == letter.about


def test_marks_are_about_a_letter_of_a_number() -> None:
    header = read_header(next(letter_frames(EVENT)))
    mark = mark_of(header, "redrive", NOON + 5)
    assert asdict(read_header(next(mark_frames(mark)))) == {
        **asdict(header),
        "kind": None,
        "position": None,
        "created_at": NOON + 5,
        "actor": "",
        "error": "",
        "mark": "redrive",
        "about": {},
    }


def test_messages_that_cannot_be_decoded() -> None:
    frames = list(message_frames("message-1-2", 1, NOON, "version 9", b"\0\1"))
    assert read_header(frames[0]).kind == "message"
    assert read_text(frames) == b"\0\1"
    with pytest.raises(ValueError, match="not a dead letter"):
        read_letter(frames)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "not a record of letters"),
        (b"[]", "not a record of letters"),
        (next(letter_frames(EVENT)).replace(b'"version":1', b'"version":2'), "version 2"),
    ],
)
def test_what_is_no_header(data: bytes, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read_header(data)


@pytest.mark.parametrize(
    ("token", "partition"),
    [("c-3-0-640-events", 3), ("c-12-0-640-events.0", 12), ("c-0-640", 0), ("c-x-0-640-events", 0)],
)
def test_the_partition_of_rows(token: str, partition: int) -> None:
    assert rows_partition(Insert("events_v2", ((1,),), token)) == partition

import pytest

from ingest.engine.cluster_letters import RETENTION_SECONDS, ClusterLetters
from ingest.engine.letter_record import VERSION, LetterHeader, Mark, mark_of

NOW = 1_790_000_000


def a_letter(
    letter_id: str = "a",
    redriven: int = 0,
    *,
    kind: str = "enriched_event",
    partition: int = 3,
    position: int | None = None,
    at: int = NOW,
) -> LetterHeader:
    return LetterHeader(VERSION, letter_id, kind, partition, position, at, redriven=redriven)


def a_mark(mark: Mark, redriven: int = 0, letter_id: str = "a") -> LetterHeader:
    return mark_of(a_letter(letter_id, redriven), mark, NOW)


@pytest.mark.parametrize(
    ("records", "waiting", "marked"),
    [
        ([a_letter()], [("a", 0)], []),
        # Two workers keep the same letter.
        ([a_letter(), a_letter()], [("a", 0)], []),
        ([a_letter(), a_mark("redrive"), a_letter()], [("a", 0)], ["a"]),
        ([a_letter(), a_mark("dropped")], [], []),
        ([a_letter(), a_mark("dropped"), a_letter()], [], []),
        ([a_letter(), a_mark("redrive"), a_mark("redriven")], [], []),
        # It fails again, before or after it is settled.
        ([a_letter(), a_mark("redrive"), a_letter(redriven=1)], [("a", 1)], []),
        (
            [a_letter(), a_mark("redrive"), a_letter(redriven=1), a_mark("redriven")],
            [("a", 1)],
            [],
        ),
        (
            [a_letter(), a_mark("redrive"), a_mark("redriven"), a_letter(redriven=1)],
            [("a", 1)],
            [],
        ),
        # Another front is late.
        (
            [a_letter(), a_letter(redriven=1), a_mark("redriven", 1), a_mark("redriven")],
            [],
            [],
        ),
        ([a_letter(), a_letter(redriven=1), a_mark("redriven", 1), a_letter(redriven=1)], [], []),
        # A late mark of the operator is about what failed before.
        ([a_letter(redriven=1), a_mark("redrive")], [("a", 1)], []),
        ([a_letter(redriven=1), a_mark("redrive", 1)], [("a", 1)], ["a"]),
        ([a_mark("redrive"), a_mark("dropped")], [], []),
    ],
)
def test_what_becomes_of_a_letter(
    records: list[LetterHeader], waiting: list[tuple[str, int]], marked: list[str]
) -> None:
    letters = ClusterLetters()
    for offset, record in enumerate(records):
        letters.take(record, offset, 10)
    found = [letter.header for letter in letters.letters.values()]
    assert [(header.id, header.redriven) for header in found] == waiting
    assert letters.to_redrive("enriched_event") == marked
    assert letters.bytes == 10 * len(waiting)


def test_what_is_to_be_redriven_by_kind_and_partition() -> None:
    letters = ClusterLetters()
    for header in (
        a_letter("b", kind="rows", partition=1),
        a_letter("a", kind="rows", partition=2),
        a_letter("c", partition=1),
        a_letter("d", kind="rows", partition=1),
    ):
        letters.take(header, 0, 1)
    for letter_id in "abc":
        letters.take(a_mark("redrive", letter_id=letter_id), 0, 1)
    assert letters.to_redrive("rows", 1) == ["b"]
    assert letters.to_redrive("rows") == ["b", "a"]
    assert letters.to_redrive("enriched_event") == ["c"]


def test_positions_stay_set_aside_when_their_letters_are_settled() -> None:
    letters = ClusterLetters()
    letters.take(a_letter(position=640), 0, 1)
    letters.take(a_mark("dropped"), 1, 1)
    letters.take(a_letter(redriven=1, position=1280), 2, 1)
    letters.take(a_letter("b", partition=4, position=64), 3, 1)
    assert letters.set_aside_positions(3) == {640, 1280}
    assert letters.set_aside_positions(4) == {64}


def test_what_the_topic_has_deleted_is_forgotten() -> None:
    letters = ClusterLetters()
    letters.take(a_letter("old", position=64, at=NOW - 10), 0, 1)
    letters.take(a_letter("settled", position=128, at=NOW - 10), 1, 1)
    letters.take(mark_of(a_letter("settled"), "dropped", NOW - 10), 2, 1)
    letters.take(a_letter("new", position=192), 3, 1)
    letters.expire(NOW + RETENTION_SECONDS - 10)
    assert letters.has("old", 0)
    letters.expire(NOW + RETENTION_SECONDS)
    assert list(letters.letters) == ["new"]
    assert letters.bytes == 1
    assert letters.set_aside_positions(3) == {192}
    assert not letters.has("settled", 0)

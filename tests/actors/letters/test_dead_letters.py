from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.letters import dead_letters
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_directory import Writing
from ingest.letters.dead_letter import LogPosition
from ingest.rows.batch import Insert
from tests.examples import NOON, an_enriched_event

ROWS = Insert("events_v2", ((1, "a"),), "token")


class Desk(DeadLetters):
    """Letters, and what was told of them."""

    def __init__(self, directory: Path) -> None:
        self.counted: list[str] = []
        self.told: list[bool] = []
        super().__init__(directory, lambda: float(NOON), self.counted.append)

    def only(self) -> str:
        (letter_id,) = self.ids()
        return letter_id

    def keep_at(self, position: int, *, log: str = "00ff", partition: int = 0) -> bool:
        where = LogPosition(log, partition, position)
        return self.keep("fold", an_enriched_event(), "x", position=where, told=self.told.append)


@pytest.fixture
def letters(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "letters")


def test_none_at_first(letters: Desk) -> None:
    letters.load_at_once()
    assert (len(letters), letters.bytes, letters.full, letters.to_redrive()) == (0, 0, False, [])
    assert letters.status() == {"status": "ok", "kept": 0, "full": False}


def test_queued_letters_count_and_are_told_of_once_they_are_on_the_disk(letters: Desk) -> None:
    assert letters.keep("writer", ROWS, "does not fit", told=letters.told.append)
    assert (len(letters), list(letters.ids()), letters.told) == (1, [], [])
    assert letters.bytes > 0
    assert letters.counted == ["writer"]
    letters.flush()
    assert (len(letters), letters.told) == (1, [True])
    letter = letters.directory.read(letters.only())
    assert (letter.actor, letter.kind, letter.error, letter.created_at, letter.content) == (
        "writer",
        "rows",
        "does not fit",
        NOON,
        ROWS,
    )


def test_the_index_is_what_the_disk_has(letters: Desk, tmp_path: Path) -> None:
    letters.keep("writer", ROWS, "x")
    letters.keep("writer", ROWS, "y", redrive=True)
    letters.flush()
    another = DeadLetters(tmp_path / "letters")
    another.load_at_once()
    assert set(another.ids()) == set(letters.ids())
    assert another.to_redrive() == letters.to_redrive()
    assert another.bytes == sum(path.stat().st_size for path in (tmp_path / "letters").iterdir())


@pytest.mark.parametrize(
    ("limit", "value"), [("LETTERS_LIMIT", 3), ("LETTERS_BYTES", 3 * 31)], ids=["number", "size"]
)
def test_at_the_limit_no_more_are_kept(
    letters: Desk, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(dead_letters, limit, value)
    monkeypatch.setattr(dead_letters, "size_of", lambda content: 31)
    letters.keep("writer", ROWS, "x", key="a")
    letters.keep("writer", ROWS, "x", redrive=True)
    assert letters.keep("writer", ROWS, "x")
    assert letters.full
    assert letters.status()["status"] == "down"
    assert not letters.keep("writer", ROWS, "x", told=letters.told.append)
    assert letters.told == []
    # What is no letter more, and what a shutdown leaves, is kept all the same.
    assert letters.keep("writer", ROWS, "x", key="a")
    assert letters.keep("writer", ROWS, "x", redrive=True)
    assert len(letters) == 4
    letters.flush()
    first, *_ = letters.to_redrive()
    assert letters.keep("gate", an_enriched_event(), "x", letter=first)
    assert len(letters) == 4


def test_there_is_room_again_when_letters_are_dropped(
    letters: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "LETTERS_LIMIT", 1)
    letters.keep("writer", ROWS, "x")
    letters.flush()
    assert not letters.keep("writer", ROWS, "x")
    letters.directory.drop(letters.only())
    letters.load_at_once()
    assert not letters.full
    assert letters.keep("writer", ROWS, "x")


def test_what_has_a_key_is_kept_once(letters: Desk) -> None:
    for _ in range(2):
        assert letters.keep("writer", ROWS, "x", key="token", told=letters.told.append)
    letters.flush()
    assert letters.keep("writer", ROWS, "x", key="token", told=letters.told.append)
    assert letters.told == [True, True, True]
    letters.load_at_once()
    assert letters.keep("writer", ROWS, "x", key="token")
    assert letters.keep("writer", ROWS, "x", key="another")
    assert len(letters) == 2


def test_what_was_redriven_goes_into_its_letter_again(letters: Desk) -> None:
    letters.keep("sessions", an_enriched_event(), "x", redrive=True)
    letters.flush()
    letter_id = letters.only()
    assert letters.to_redrive() == [letter_id]
    assert letters.keep("gate", an_enriched_event(pathname="/b"), "y", letter=letter_id)
    assert len(letters) == 1
    letters.flush()
    assert (letters.only(), letters.to_redrive()) == (letter_id, [])
    letter = letters.directory.read(letter_id)
    assert (letter.actor, letter.error, letter.redriven) == ("gate", "y", 1)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (OSError(28, "No space left on device"), "No space left"),
        (ValueError("203.0.113.9"), "ValueError"),
    ],
)
def test_what_cannot_be_written_at_the_end_is_told_and_logged(
    letters: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Exception,
    said: str,
) -> None:
    def fail(batch: Sequence[Writing]) -> Sequence[Exception]:
        return [failure] * len(batch)

    monkeypatch.setattr(letters.directory, "write", fail)
    letters.keep("writer", ROWS, "x", key="a", told=letters.told.append)
    letters.flush()
    assert (letters.told, len(letters), letters.bytes) == ([False], 0, 0)
    logged = capsys.readouterr().out
    assert said in logged
    assert "203.0.113.9" not in logged
    monkeypatch.undo()
    letters.keep("writer", ROWS, "x", key="a", told=letters.told.append)
    letters.flush()
    assert letters.told == [False, True]


def test_what_is_done_with_is_not_redriven_even_if_it_cannot_be_deleted(
    letters: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters.keep("writer", ROWS, "x", redrive=True)
    letters.flush()
    letter_id = letters.only()

    def fail(letter_id: str) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(letters.directory, "drop", fail)
        letters.settle(letter_id)
        assert letters.to_redrive() == []
        letters.flush()
    letters.load_at_once()
    assert (letters.only(), letters.to_redrive()) == (letter_id, [])
    letters.settle(letter_id)
    letters.settle("gone")
    letters.flush()
    letters.load_at_once()
    assert len(letters) == 0


def test_a_letter_that_is_unmarked_waits_for_the_operator(letters: Desk) -> None:
    letters.keep("writer", ROWS, "x", redrive=True)
    letters.flush()
    letters.unmark(letters.only())
    letters.unmark("gone")
    assert letters.to_redrive() == []
    letters.flush()
    assert not letters.directory.scan().letters[letters.only()].marked


def test_a_look_at_the_disk_does_not_forget_what_is_queued(letters: Desk) -> None:
    letters.keep("writer", ROWS, "x", redrive=True)
    letters.keep("writer", ROWS, "x", redrive=True, key="a")
    letters.flush()
    first, second = letters.ids()
    letters.settle(first)
    letters.unmark(second)
    letters.keep("writer", ROWS, "x", key="b")
    letters.apply(letters.directory.scan())
    assert (list(letters.ids()), letters.to_redrive(), len(letters)) == ([second], [], 2)
    letters.keep("writer", ROWS, "x", key="b")
    assert len(letters) == 2


def test_what_is_at_a_position_is_kept_once(letters: Desk) -> None:
    assert letters.keep_at(7)
    assert letters.keep_at(7)
    letters.flush()
    assert letters.keep_at(7)
    assert letters.told == [True] * 3
    assert letters.only() == "00ff-0-7"
    letter = letters.directory.read("00ff-0-7")
    assert letter.position == LogPosition("00ff", 0, 7)
    assert letters.set_aside_positions("00ff", 0) == {7}


def test_a_position_stays_set_aside_until_it_is_forgotten(letters: Desk) -> None:
    for position in (7, 8, 9, 10):
        letters.keep_at(position)
    letters.keep_at(7, partition=1)
    letters.keep_at(7, log="another")
    assert letters.set_aside_positions("00ff", 0) == {7, 8, 9, 10}
    letters.flush()
    letters.settle("00ff-0-7")
    letters.directory.drop("00ff-0-8")
    letters.settle("00ff-0-9")
    letters.flush()
    for _ in range(2):
        assert letters.set_aside_positions("00ff", 0) == {7, 8, 9, 10}
        assert letters.set_aside_positions("00ff", 1) == {7}
        letters.load_at_once()
    assert letters.keep_at(8)
    assert len(letters) == 3
    letters.forget_marks("00ff", 0, 9)
    letters.forget_marks("00ff", 1, 9)
    assert letters.set_aside_positions("00ff", 0) == {9, 10}
    letters.flush()
    letters.load_at_once()
    assert letters.set_aside_positions("00ff", 0) == {9, 10}
    assert letters.set_aside_positions("00ff", 1) == {7}


def test_figures_are_read_from_the_index(letters: Desk) -> None:
    assert letters.figures() == {"sluice_dead_letters_kept": 0}
    letters.keep("writer", ROWS, "x")
    assert letters.figures() == {"sluice_dead_letters_kept": 1}

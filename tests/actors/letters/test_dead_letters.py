import stat
from pathlib import Path

import pytest

from actors.letters.dead_letters import DeadLetters, LetterNotFoundError
from ingest.letters.dead_letter import DeadLetter
from ingest.rows.batch import Insert
from tests.examples import NOON, an_enriched_event

ROWS = Insert("events_v2", ((1, "a"),), "token")


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    return DeadLetters(tmp_path / "letters", lambda: float(NOON))


def only(letters: DeadLetters) -> str:
    (letter_id,) = letters.ids()
    return letter_id


def test_none_at_first(letters: DeadLetters) -> None:
    assert len(letters) == 0
    assert letters.to_replay() == []


def test_keeps_and_reads(letters: DeadLetters) -> None:
    letters.keep("writer", ROWS, "does not fit")
    letter = letters.read(only(letters))
    assert (letter.actor, letter.kind, letter.error, letter.created_at, letter.content) == (
        "writer",
        "rows",
        "does not fit",
        NOON,
        ROWS,
    )


def test_files_are_for_the_owner_only(letters: DeadLetters, tmp_path: Path) -> None:
    letters.keep("sessions", an_enriched_event(), ValueError("x"))
    (path,) = (tmp_path / "letters").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_oldest_first(tmp_path: Path) -> None:
    times = iter([NOON + 5.0, NOON + 1.0, NOON + 9.0])
    letters = DeadLetters(tmp_path, lambda: next(times))
    for _ in range(3):
        letters.keep("writer", ROWS, "x")
    assert [letters.read(letter).created_at - NOON for letter in letters.ids()] == [1, 5, 9]


def test_mark_and_unmark(letters: DeadLetters) -> None:
    letters.keep("writer", ROWS, "x")
    letter_id = only(letters)
    letters.mark(letter_id)
    assert letters.is_marked(letter_id)
    assert letters.to_replay() == [letter_id]
    letters.mark(letter_id)
    letters.unmark(letter_id)
    assert not letters.is_marked(letter_id)
    assert letters.to_replay() == []


def test_drop(letters: DeadLetters) -> None:
    letters.keep("writer", ROWS, "x", replay=True)
    letters.drop(only(letters))
    assert len(letters) == 0


@pytest.mark.parametrize("letter_id", ["unknown", "", "../letters", "/etc/passwd", "a/b"])
def test_unknown_ids(letters: DeadLetters, letter_id: str) -> None:
    letters.keep("writer", ROWS, "x")
    for act in (letters.read, letters.mark, letters.unmark, letters.drop):
        with pytest.raises(LetterNotFoundError):
            act(letter_id)


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), ValueError("203.0.113.9")]
)
def test_what_cannot_be_kept_is_counted_and_nothing_is_raised(
    letters: DeadLetters,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Exception,
) -> None:
    def fail(letter: DeadLetter, *, replay: bool = False) -> None:
        raise failure

    counted: list[str] = []
    monkeypatch.setattr(letters, "_on_keep", counted.append)
    monkeypatch.setattr(letters, "write", fail)
    assert not letters.keep("writer", ROWS, "x")
    assert counted == ["writer"]
    assert "203.0.113.9" not in capsys.readouterr().out


def test_what_was_put_back_goes_into_its_letter_again(letters: DeadLetters) -> None:
    letters.keep("sessions", an_enriched_event(), "x", replay=True)
    letter_id = only(letters)
    assert letters.keep("gate", an_enriched_event(pathname="/b"), "y", letter=letter_id)
    assert only(letters) == letter_id
    assert not letters.is_marked(letter_id)
    letter = letters.read(letter_id)
    assert (letter.actor, letter.error) == ("gate", "y")


def test_what_is_done_with_is_not_put_back_even_if_it_cannot_be_deleted(
    letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters.keep("writer", ROWS, "x", replay=True)
    letter_id = only(letters)

    def fail(path: Path, *, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        letters.settle(letter_id)
    assert (only(letters), letters.to_replay()) == (letter_id, [])
    letters.settle(letter_id)
    letters.settle("gone")
    assert len(letters) == 0


def test_other_files_are_left_alone(letters: DeadLetters, tmp_path: Path) -> None:
    letters.write(DeadLetter("1", "rows", "writer", NOON, "x", ROWS))
    (tmp_path / "letters" / "notes.txt").write_text("mine")
    assert list(letters.ids()) == ["1"]

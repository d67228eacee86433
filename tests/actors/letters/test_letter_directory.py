import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from actors.letters.letter_directory import LetterDirectory, LetterNotFoundError, Writing
from actors.letters.letter_index import Entry
from ingest.letters.dead_letter import DeadLetter, LogPosition
from ingest.rows.batch import Insert
from tests.examples import NOON

ROWS = Insert("events_v2", ((1, "a"),), "token")
POSITION = LogPosition("00ff", 2, 41)


def a_letter(letter_id: str = "1-a", error: str = "x") -> DeadLetter:
    return DeadLetter(letter_id, "rows", "writer", NOON, error, ROWS)


def of_the_fold(position: LogPosition = POSITION) -> DeadLetter:
    return replace(a_letter(position.letter_id), partition=position.partition, position=position)


@pytest.fixture
def directory(tmp_path: Path) -> LetterDirectory:
    return LetterDirectory(tmp_path / "letters")


def write(directory: LetterDirectory, *letters: DeadLetter, redrive: bool = False) -> None:
    outcomes = directory.write([Writing(letter, redrive=redrive) for letter in letters])
    assert outcomes == [None] * len(letters)


def names(directory: LetterDirectory) -> list[str]:
    return sorted(path.name for path in directory.path.iterdir())


def test_none_at_first(directory: LetterDirectory) -> None:
    listing = directory.scan()
    assert (listing.letters, listing.marks, listing.bytes) == ({}, set(), 0)
    assert directory.stamp() is None


def test_writes_and_reads_a_batch(directory: LetterDirectory) -> None:
    write(directory, a_letter("1-a"), a_letter("1-b"))
    assert names(directory) == ["1-a.json", "1-b.json"]
    assert directory.read("1-b") == a_letter("1-b")
    size = (directory.path / "1-a.json").stat().st_size
    listing = directory.scan()
    assert listing.letters == {"1-a": Entry(False, size), "1-b": Entry(False, size)}
    assert listing.bytes == 2 * size
    assert listing.keys == {"a": "1-a", "b": "1-b"}


def test_files_are_for_the_owner_only(directory: LetterDirectory) -> None:
    write(directory, a_letter())
    (path,) = directory.path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_oldest_first_by_time_and_by_position(directory: LetterDirectory) -> None:
    ids = ["1790078400-f0", "999-ff", "00ff-0-9", "00ff-0-10", "1790078401-00"]
    write(directory, *map(a_letter, ids))
    listed = list(directory.scan().letters)
    assert listed == ["00ff-0-9", "00ff-0-10", "999-ff", "1790078400-f0", "1790078401-00"]


def test_other_files_are_left_alone(directory: LetterDirectory) -> None:
    write(directory, a_letter())
    (directory.path / "notes.txt").write_text("mine")
    (directory.path / ".1-b.77.tmp").write_text("{")
    assert list(directory.scan().letters) == ["1-a"]
    directory.sweep()
    assert names(directory) == ["1-a.json", "notes.txt"]


def test_mark_and_unmark(directory: LetterDirectory) -> None:
    write(directory, a_letter())
    for _ in range(2):
        directory.mark("1-a")
        assert names(directory) == ["1-a.replay"]
        assert directory.scan().letters["1-a"].marked
    directory.unmark("1-a")
    assert not directory.scan().letters["1-a"].marked


def test_dropped_for_good(directory: LetterDirectory) -> None:
    write(directory, a_letter(), redrive=True)
    directory.drop("1-a")
    assert names(directory) == []


@pytest.mark.parametrize("redrive", [False, True])
def test_a_letter_of_the_fold_leaves_a_mark(directory: LetterDirectory, redrive: bool) -> None:
    write(directory, of_the_fold(), redrive=redrive)
    directory.drop(POSITION.letter_id)
    (mark,) = directory.path.iterdir()
    assert (mark.name, mark.stat().st_size) == ("00ff-2-41.mark", 0)
    listing = directory.scan()
    assert (listing.letters, listing.marks) == ({}, {"00ff-2-41"})
    with pytest.raises(LetterNotFoundError):
        directory.drop(POSITION.letter_id)
    directory.forget(["00ff-2-41", "00ff-2-42"])
    assert names(directory) == []


@pytest.mark.parametrize("letter_id", ["unknown", "", "../letters", "/etc/passwd", "a/b"])
def test_unknown_ids(directory: LetterDirectory, letter_id: str) -> None:
    write(directory, a_letter())
    for act in (directory.read, directory.mark, directory.unmark, directory.drop):
        with pytest.raises(LetterNotFoundError):
            act(letter_id)


@pytest.mark.parametrize("marked", [False, True])
def test_what_was_redriven_goes_into_its_letter_again(
    directory: LetterDirectory, marked: bool
) -> None:
    write(directory, of_the_fold(), redrive=marked)
    for redriven in (1, 2):
        again = Writing(replace(a_letter(POSITION.letter_id, "y")), again=True)
        assert directory.write([again]) == [None]
        assert names(directory) == ["00ff-2-41.json"]
        letter = directory.read(POSITION.letter_id)
        assert (letter.error, letter.redriven) == ("y", redriven)
        assert (letter.partition, letter.position) == (2, POSITION)


def test_one_that_was_dropped_meanwhile_is_a_letter_again(directory: LetterDirectory) -> None:
    assert directory.write([Writing(a_letter(), again=True)]) == [None]
    assert directory.read("1-a").redriven == 1


def test_one_that_cannot_be_written_costs_no_other(directory: LetterDirectory) -> None:
    broken = replace(a_letter("1-b"), content=Insert("events_v2", ((object(),),), "token"))
    too_long = a_letter("x" * 300)
    outcomes = directory.write([Writing(a_letter()), Writing(broken), Writing(too_long)])
    assert [type(outcome) for outcome in outcomes] == [type(None), TypeError, OSError]
    assert names(directory) == ["1-a.json"]


@pytest.mark.parametrize("call", ["open", "fdatasync", "fsync", "mkdir"])
def test_nothing_counts_as_written_when_the_disk_refuses(
    directory: LetterDirectory, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*arguments: object, **keywords: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        outcomes = directory.write([Writing(a_letter("1-a")), Writing(a_letter("1-b"))])
    assert [type(outcome) for outcome in outcomes] == [OSError, OSError]
    write(directory, a_letter("1-a"), a_letter("1-b"))
    assert names(directory) == ["1-a.json", "1-b.json"]

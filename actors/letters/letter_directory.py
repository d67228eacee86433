"""The files of dead letters. All calls block; a server makes them in a thread."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from actors.files.atomic import OWNER_ONLY, sync_directory
from actors.letters.letter_index import Entry, LetterIndex
from ingest.letters.dead_letter import DeadLetter, LogPosition

WAITS: Final = ".json"
MARKED: Final = ".replay"
SETTLED: Final = ".mark"


class LetterNotFoundError(LookupError):
    """No dead letter has that id."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A letter to be written.

    Attributes:
        letter: The letter.
        redrive: Whether to mark it for redrive at once.
        again: Whether its content was redriven and failed, so that the letter is updated.
    """

    letter: DeadLetter
    redrive: bool = False
    again: bool = False


class LetterDirectory:
    """A directory with one file per letter.

    `ID.json` is a letter. `ID.replay` is a letter to be redriven: the command line renames the
    file, with or without a running server, and the server redrives it. An empty `ID.mark` replaces
    a letter of the fold that was settled or dropped: the fold skips the record at its position.
    """

    def __init__(self, path: Path) -> None:
        """Use a directory; it is created when the first letter is written."""
        self.path = path

    def scan(self) -> LetterIndex:
        """Read the index of the directory.

        Raises:
            OSError: It cannot be read.
        """
        index = LetterIndex()
        try:
            files = sorted(os.scandir(self.path), key=lambda file: _order(file.name))
        except FileNotFoundError:
            return index
        for file in files:
            letter_id, suffix = os.path.splitext(file.name)
            if suffix == SETTLED:
                index.marks.add(letter_id)
            elif suffix == WAITS or (suffix == MARKED and letter_id not in index.letters):
                with contextlib.suppress(FileNotFoundError):
                    index.add(letter_id, Entry(suffix == MARKED, file.stat().st_size))
        return index

    def stamp(self) -> int | None:
        """A value that changes with the directory's entries.

        Changes in quick succession may leave it the same.

        Raises:
            OSError: It cannot be read.
        """
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def sweep(self) -> None:
        """Delete unfinished files of a process that was killed."""
        for path in self.path.glob(".*.tmp"):
            path.unlink(missing_ok=True)

    def read(self, letter_id: str) -> DeadLetter:
        """Read a letter.

        Raises:
            LetterNotFoundError: There is none of that id.
            ValueError: The file is not a letter.
        """
        try:
            return DeadLetter.from_json(self._path(letter_id).read_text())
        except FileNotFoundError:
            raise LetterNotFoundError(letter_id) from None

    def write(self, batch: Sequence[Writing]) -> Sequence[Exception | None]:
        """Write letters durably.

        Returns:
            For each letter the error that prevented the write; None if it is on disk.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            return [error] * len(batch)
        attempts = [_Attempt(self, writing) for writing in batch]
        for attempt in attempts:
            attempt.write()
        for attempt in attempts:
            attempt.sync()
        for attempt in attempts:
            attempt.rename()
        try:
            sync_directory(self.path)
        except OSError as error:
            return [attempt.error or error for attempt in attempts]
        return [attempt.error for attempt in attempts]

    def mark(self, letter_id: str) -> None:
        """Mark a letter, so that the server redrives it.

        Raises:
            LetterNotFoundError: There is none of that id.
        """
        path = self._path(letter_id)
        path.rename(path.with_suffix(MARKED))

    def unmark(self, letter_id: str) -> None:
        """Undo `mark`.

        Raises:
            LetterNotFoundError: There is none of that id.
        """
        path = self._path(letter_id)
        path.rename(path.with_suffix(WAITS))

    def drop(self, letter_id: str) -> None:
        """Delete a letter; a letter of the fold leaves a mark, so that the fold skips its record.

        Raises:
            LetterNotFoundError: There is none of that id.
            OSError: It cannot be deleted.
        """
        path = self._path(letter_id)
        if LogPosition.of_letter(letter_id) is None:
            path.unlink()
            return
        mark = path.with_suffix(SETTLED)
        path.rename(mark)
        os.truncate(mark, 0)
        sync_directory(self.path)

    def forget(self, marks: Iterable[str]) -> None:
        """Delete marks.

        Raises:
            OSError: One cannot be deleted.
        """
        for letter_id in marks:
            (self.path / f"{letter_id}{SETTLED}").unlink(missing_ok=True)

    def _path(self, letter_id: str) -> Path:
        if letter_id == os.path.basename(letter_id):
            for suffix in (WAITS, MARKED):
                path = self.path / f"{letter_id}{suffix}"
                if path.exists():
                    return path
        raise LetterNotFoundError(letter_id)


class _Attempt:
    """The write of one letter; after an error the remaining steps do nothing."""

    def __init__(self, directory: LetterDirectory, writing: Writing) -> None:
        letter_id = writing.letter.id
        self.error: Exception | None = None
        self._directory = directory
        self._writing = writing
        self._waiting = directory.path / f"{letter_id}{WAITS}"
        self._marked = directory.path / f"{letter_id}{MARKED}"
        self._temporary = directory.path / f".{letter_id}.{os.getpid()}.tmp"
        self._descriptor = -1

    def write(self) -> None:
        with self._noting():
            letter = self._letter()
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(self._temporary, flags, OWNER_ONLY)
            with open(self._descriptor, "wb", closefd=False) as file:
                for piece in letter.pieces():
                    file.write(piece.encode())

    def sync(self) -> None:
        if self._descriptor < 0:
            return
        with self._noting():
            try:
                if self.error is None:
                    os.fdatasync(self._descriptor)
            finally:
                os.close(self._descriptor)

    def rename(self) -> None:
        if self.error is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)
            return
        with self._noting():
            if self._writing.redrive:
                self._temporary.rename(self._marked)
            elif self._writing.again:
                # In two steps; after each of them exactly one file has the name.
                self._temporary.rename(self._marked)
                self._marked.rename(self._waiting)
            else:
                self._temporary.rename(self._waiting)

    def _letter(self) -> DeadLetter:
        letter = self._writing.letter
        if not self._writing.again:
            return letter
        try:
            earlier = self._directory.read(letter.id)
        except (LetterNotFoundError, ValueError):
            return replace(letter, redriven=1)
        return replace(
            letter,
            partition=earlier.partition,
            redriven=earlier.redriven + 1,
            position=earlier.position,
        )

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = self.error or error


def _order(name: str) -> str:
    """A sort key that orders file names by the numbers in them: times, and positions of a log."""
    return _DIGITS.sub(lambda number: number[0].zfill(_WIDTH), name)


_DIGITS: Final = re.compile(r"[0-9]+")
_WIDTH: Final = 20
"""Digits of the largest position."""

"""The index of dead letters, and the queue of letters to be written."""

import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from actors.letters.letter_directory import LetterDirectory, LetterNotFoundError, Writing
from actors.letters.letter_index import Entry, LetterIndex, key_of
from actors.letters.letter_queue import FileChange, Told, Waiting
from actors.letters.letters import Letters
from actors.threads.serial_thread import SerialThread
from ingest.letters.dead_letter import Content, DeadLetter, LogPosition, describe, kind_of
from ingest.rows.batch import Insert

log = structlog.get_logger()

LETTERS_LIMIT: Final = 10_000
LETTERS_BYTES: Final = 256_000_000
"""Limits on the number and the total size of letters. Beyond them readiness turns red, because a
problem has gone unnoticed."""


class DeadLetters(Letters):
    """The index of the letters, and the queue of letters to be written.

    Only `flush` waits for the disk. A `LetterWriter` writes the queued letters and checks every two
    seconds for changes made by the command line. Queued letters count towards the limits.
    """

    def __init__(
        self,
        directory: Path,
        now: Callable[[], float] = time.time,
        on_keep: Callable[[str], None] = lambda actor: None,
    ) -> None:
        """Start with an empty index; call `load` to fill it.

        Args:
            directory: Where the files are; made when the first letter is written.
            now: Gives the time in Unix seconds.
            on_keep: Told the actor's name for each letter.
        """
        self.directory = LetterDirectory(directory)
        self.thread = SerialThread("dead-letters")
        self.waiting: dict[str, Waiting] = {}
        self.changes: deque[FileChange] = deque()
        self.problem: str | None = None
        self._now = now
        self._on_keep = on_keep
        self._index = LetterIndex()
        self._waiting_bytes = 0
        self._fresh = 0
        self._settled: set[str] = set()
        self._refused = 0
        self._event = trio.Event()

    async def load(self) -> None:
        """Read the index from disk; call it before any other method.

        Raises:
            OSError: The directory cannot be read.
        """
        self.apply(await self.thread.call(self._scan_first))

    def load_at_once(self) -> None:
        """Like `load`, but blocking, for callers without an event loop."""
        self.apply(self._scan_first())

    def _scan_first(self) -> LetterIndex:
        self.directory.sweep()
        return self.directory.scan()

    def apply(self, index: LetterIndex) -> None:
        """Replace the index by the state on disk, plus the queued changes."""
        self._index = index
        for change in self.changes:
            change.anticipate(index)
        self._fresh = 0
        for letter_id, waiting in self.waiting.items():
            waiting.fresh = letter_id not in index.letters
            self._fresh += waiting.fresh
            index.keys[key_of(letter_id)] = letter_id
        if self._refused and not self.full:
            log.info("there is room for dead letters again", refused=self._refused)
            self._refused = 0

    def __len__(self) -> int:
        return len(self._index.letters) + self._fresh

    @property
    def bytes(self) -> int:
        """Approximate size of all letters."""
        return self._index.bytes + self._waiting_bytes

    @property
    def full(self) -> bool:
        """Whether the limits are reached and no more letters are kept."""
        return len(self) >= LETTERS_LIMIT or self.bytes >= LETTERS_BYTES

    def ids(self) -> Iterator[str]:
        """The ids of the letters on the disk, oldest first."""
        return iter(self._index.letters)

    def to_redrive(self) -> list[str]:
        """The ids of the letters that are to be redriven, oldest first."""
        return [found for found in self._index.marked() if found not in self._settled]

    def set_aside_positions(self, log: str, partition: int) -> set[int]:
        """See `Letters.set_aside_positions`."""
        found = (
            LogPosition.of_letter(letter_id)
            for ids in (self._index.letters, self._index.marks, self.waiting)
            for letter_id in ids
        )
        return {
            position.position
            for position in found
            if position is not None and (position.log, position.partition) == (log, partition)
        }

    async def read(self, letter_id: str) -> DeadLetter:
        """Read a letter in a thread.

        Raises:
            LetterNotFoundError: No letter has this id.
            ValueError: The file is not a letter.
            OSError: It cannot be read.
        """
        return await self.thread.call(partial(self.directory.read, letter_id))

    def keep(
        self,
        actor: str,
        content: Content,
        error: Exception | str | None,
        *,
        redrive: bool = False,
        key: str | None = None,
        letter: str | None = None,
        position: LogPosition | None = None,
        told: Told = lambda kept: None,
    ) -> bool:
        """See `Letters.keep`. A letter is durable when it is on disk."""
        try:
            return self._queue(actor, content, error, redrive, key, letter, position, told)
        except Exception as failure:  # its text might contain visitor data
            log.critical("dead letter not kept", actor=actor, error=type(failure).__name__)
            return False

    def _queue(
        self,
        actor: str,
        content: Content,
        error: Exception | str | None,
        redrive: bool,
        key: str | None,
        letter: str | None,
        position: LogPosition | None,
        told: Told,
    ) -> bool:
        now = int(self._now())
        name = secrets.token_hex(4) if key is None else _digest(key)
        letter_id = letter or f"{now}-{name}"
        if position is not None:
            letter_id = position.letter_id
        earlier = letter_id if key is None else self._index.keys.get(name, letter_id)
        if earlier in self.waiting:
            self.waiting[earlier].told.append(told)
            return True
        if letter is None and (earlier in self._index.letters or earlier in self._index.marks):
            told(True)
            return True
        fresh = letter_id not in self._index.letters
        if fresh and self.full and not redrive:
            if not self._refused:
                log.critical("no room for dead letters", letters=len(self), bytes=self.bytes)
            self._refused += 1
            return False
        dead_letter = DeadLetter(
            id=letter_id,
            kind=kind_of(content),
            actor=actor,
            created_at=now,
            error=error if isinstance(error, str) else describe(error),
            content=content,
            partition=0 if position is None else position.partition,
            position=position,
        )
        writing = Writing(dead_letter, redrive=redrive, again=letter is not None)
        size = size_of(content)
        self.waiting[letter_id] = Waiting(writing, size, fresh, [told])
        self._waiting_bytes += size
        self._fresh += fresh
        self._index.keys[key_of(letter_id)] = letter_id
        self._on_keep(actor)
        self._wake()
        return True

    def settle(self, letter_id: str) -> None:
        """Delete a letter whose content was accepted, dropped or stored.

        If the file cannot be deleted, this process does not redrive it again.
        """
        self._settled.add(letter_id)
        self._change(FileChange(partial(self._delete, letter_id), letters=frozenset([letter_id])))

    def _delete(self, letter_id: str) -> None:
        try:
            self.directory.drop(letter_id)
            self._settled.discard(letter_id)
        except LetterNotFoundError:
            log.warning("dead letter was gone before it was redriven", id=letter_id)
        except OSError as error:
            log.error(
                "dead letter is done with and cannot be deleted", id=letter_id, error=str(error)
            )

    def unmark(self, letter_id: str) -> None:
        """Remove the redrive mark of a letter, so that it waits for the operator. Never raises."""
        self._change(FileChange(partial(self._unmark, letter_id), unmarked=frozenset([letter_id])))

    def _unmark(self, letter_id: str) -> None:
        try:
            self.directory.unmark(letter_id)
        except (LetterNotFoundError, OSError) as error:
            log.warning("dead letter could not be unmarked", id=letter_id, error=str(error))

    def forget_marks(self, log: str, partition: int, before: int) -> None:
        """See `Letters.forget_marks`."""
        marks = self._index.marks_before(LogPosition(log, partition, before))
        if marks:
            self._change(FileChange(partial(self._forget, marks), marks=marks))

    def _forget(self, marks: frozenset[str]) -> None:
        try:
            self.directory.forget(marks)
        except OSError as error:
            log.warning("marks of dead letters cannot be deleted", error=str(error))

    def _change(self, change: FileChange) -> None:
        change.anticipate(self._index)
        self.changes.append(change)
        self._wake()

    async def written(self) -> None:
        """See `Letters.written`."""
        for waiting in list(self.waiting.values()):
            while not waiting.over:
                await self._event.wait()

    async def work_to_do(self) -> None:
        """Wait until something is queued."""
        while not (self.waiting or self.changes):
            await self._event.wait()

    def _wake(self) -> None:
        self._event.set()
        self._event = trio.Event()

    def take_out(self, waiting: Waiting, failure: Exception | None) -> None:
        """Remove a letter from the queue that was written or could not be written."""
        letter = waiting.writing.letter
        del self.waiting[letter.id]
        self._waiting_bytes -= waiting.size
        self._fresh -= waiting.fresh
        if failure is None:
            self._index.add(letter.id, Entry(waiting.writing.redrive, waiting.size))
            # If it was settled before, it may be redriven again.
            self._settled.discard(letter.id)
        else:
            if waiting.fresh:
                self._index.keys.pop(key_of(letter.id), None)
            # Only the text of an OSError is sure to contain no visitor data.
            reason = str(failure) if isinstance(failure, OSError) else type(failure).__name__
            log.critical("dead letter not kept", actor=letter.actor, kind=letter.kind, error=reason)
        waiting.settle(failure is None)
        self._wake()

    def flush(self) -> None:
        """Write all queued letters now, blocking, at the end of the process. Never raises."""
        while self.waiting:
            batch = list(self.waiting.values())
            outcomes = self.directory.write([waiting.writing for waiting in batch])
            for waiting, failure in zip(batch, outcomes, strict=True):
                self.take_out(waiting, failure)
        while self.changes:
            self.changes.popleft().act()

    def status(self) -> dict[str, object]:
        """The letters' part of the readiness report."""
        status = "down" if self.full else "degraded" if self.problem else "ok"
        reason = {} if self.problem is None else {"reason": self.problem}
        return {"status": status, "kept": len(self), "full": self.full, **reason}

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
        return {"sluice_dead_letters_kept": len(self)}


def size_of(content: Content) -> int:
    """Approximate size of a letter in bytes; for rows, estimated from the first row."""
    if isinstance(content, Insert):
        return len(content.rows) * len(repr(content.rows[:1]))
    return len(repr(content))


def _digest(key: str) -> str:
    return hashlib.blake2s(key.encode(), digest_size=8).hexdigest()

"""The dead letters that a process knows of, and those on their way to the disk."""

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
from actors.letters.letter_queue import Change, Told, Waiting
from actors.threads.serial_thread import SerialThread
from ingest.letters.dead_letter import Content, DeadLetter, LogPosition, describe, kind_of
from ingest.rows.batch import Insert
from ingest.telemetry.metrics import Figure

log = structlog.get_logger()

LETTERS_LIMIT: Final = 10_000
LETTERS_BYTES: Final = 256_000_000
"""Letters kept, and their size, before readiness turns red: something is wrong that nobody looks
at."""


class DeadLetters:
    """The index of the letters, and the queue of those that are to be written.

    Nothing here waits for the disk but `flush`: a `LetterWriter` writes what is queued, and looks
    every two seconds for what the command line has changed. What is queued counts toward the
    limits.
    """

    def __init__(
        self,
        directory: Path,
        now: Callable[[], float] = time.time,
        on_keep: Callable[[str], None] = lambda actor: None,
    ) -> None:
        """Know of no letter until `load`.

        Args:
            directory: Where the files are; made when the first letter is written.
            now: Gives the time in Unix seconds.
            on_keep: Told the actor's name for each letter.
        """
        self.directory = LetterDirectory(directory)
        self.thread = SerialThread("dead-letters")
        self.waiting: dict[str, Waiting] = {}
        self.changes: deque[Change] = deque()
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
        """Make the index, before anything is asked of it.

        Raises:
            OSError: The directory cannot be read.
        """
        self.apply(await self.thread.call(self._scan_first))

    def load_at_once(self) -> None:
        """As `load`, for those who have no event loop that it would hold up."""
        self.apply(self._scan_first())

    def _scan_first(self) -> LetterIndex:
        self.directory.sweep()
        return self.directory.scan()

    def apply(self, index: LetterIndex) -> None:
        """Take over what is on the disk; what is queued is still to come."""
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
        """Size of all letters, about."""
        return self._index.bytes + self._waiting_bytes

    @property
    def full(self) -> bool:
        """Whether no more letters are kept."""
        return len(self) >= LETTERS_LIMIT or self.bytes >= LETTERS_BYTES

    def ids(self) -> Iterator[str]:
        """The ids of the letters on the disk, oldest first."""
        return iter(self._index.letters)

    def to_redrive(self) -> list[str]:
        """The ids of the letters that are to be redriven, oldest first."""
        return [found for found in self._index.marked() if found not in self._settled]

    def set_aside_positions(self, log: str, partition: int) -> set[int]:
        """The positions of a log that have a letter, or had one that has found another place."""
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
            LetterNotFoundError: There is none of that id.
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
        """Queue a letter. Never raises, never waits.

        Args:
            actor: Who could not handle it.
            content: What it is; an event's address must have been shortened.
            error: Why: an exception, the store's message, or None when the actor had stopped.
            redrive: Whether to redrive it at the next start without being asked. Such letters are
                what a shutdown leaves; there is no limit for them.
            key: What is kept once only, however often it is set aside; None: always.
            letter: Id of the letter that it was redriven from, and goes into again: then it waits
                to be redriven anew.
            position: Where the log has it; what is there is kept once only.
            told: Called with whether the letter is on the disk, if this returns True: at once if it
                has been there before.

        Returns:
            Whether it is queued: False when there are too many letters.
        """
        try:
            return self._queue(actor, content, error, redrive, key, letter, position, told)
        except Exception as failure:  # its text might quote a visitor
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
        size = _size_of(content)
        self.waiting[letter_id] = Waiting(writing, size, fresh, [told])
        self._waiting_bytes += size
        self._fresh += fresh
        self._index.keys[key_of(letter_id)] = letter_id
        self._on_keep(actor)
        self._wake()
        return True

    def settle(self, letter_id: str) -> None:
        """Delete a letter whose content has found another place.

        One that cannot be deleted is not redriven again, as long as this process lives.
        """
        self._settled.add(letter_id)
        self._change(Change(partial(self._delete, letter_id), letters=frozenset([letter_id])))

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
        """Have a letter wait for the operator again. Never raises."""
        self._change(Change(partial(self._unmark, letter_id), unmarked=frozenset([letter_id])))

    def _unmark(self, letter_id: str) -> None:
        try:
            self.directory.unmark(letter_id)
        except (LetterNotFoundError, OSError) as error:
            log.warning("dead letter could not be unmarked", id=letter_id, error=str(error))

    def forget_marks(self, log: str, partition: int, before: int) -> None:
        """Delete the marks of a log's positions below one."""
        marks = self._index.marks_before(LogPosition(log, partition, before))
        if marks:
            self._change(Change(partial(self._forget, marks), marks=marks))

    def _forget(self, marks: frozenset[str]) -> None:
        try:
            self.directory.forget(marks)
        except OSError as error:
            log.warning("marks of dead letters cannot be deleted", error=str(error))

    def _change(self, change: Change) -> None:
        change.anticipate(self._index)
        self.changes.append(change)
        self._wake()

    async def written(self) -> None:
        """Wait until every letter that is queued now is on the disk, or given up."""
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
        """Take a letter out of the queue that is on the disk, or could not be written."""
        letter = waiting.writing.letter
        del self.waiting[letter.id]
        self._waiting_bytes -= waiting.size
        self._fresh -= waiting.fresh
        if failure is None:
            self._index.add(letter.id, Entry(waiting.writing.redrive, waiting.size))
            # It may be redriven again, should it have been settled before.
            self._settled.discard(letter.id)
        else:
            if waiting.fresh:
                self._index.keys.pop(key_of(letter.id), None)
            # The text of anything but the disk's word might quote a visitor.
            reason = str(failure) if isinstance(failure, OSError) else type(failure).__name__
            log.critical("dead letter not kept", actor=letter.actor, kind=letter.kind, error=reason)
        waiting.settle(failure is None)
        self._wake()

    def flush(self) -> None:
        """Write everything queued, on the spot, for the end of the process. Never raises."""
        while self.waiting:
            batch = list(self.waiting.values())
            outcomes = self.directory.write([waiting.writing for waiting in batch])
            for waiting, failure in zip(batch, outcomes, strict=True):
                self.take_out(waiting, failure)
        while self.changes:
            self.changes.popleft().act()

    def status(self) -> dict[str, object]:
        """What readiness says of them."""
        status = "down" if self.full else "degraded" if self.problem else "ok"
        return {"status": status, "kept": len(self)}

    def figures(self) -> Iterator[Figure]:
        """What `/metrics` shows of them."""
        yield Figure("sluice_dead_letters_kept", "Dead letters on disk.", lambda: len(self))


def _size_of(content: Content) -> int:
    """About how many bytes a letter will have; of many rows, the first stands for all."""
    if isinstance(content, Insert):
        return len(content.rows) * len(repr(content.rows[:1]))
    return len(repr(content))


def _digest(key: str) -> str:
    return hashlib.blake2s(key.encode(), digest_size=8).hexdigest()

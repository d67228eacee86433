"""The state of a running import: its position, its sessions and the batch being collected."""

import copy
import math
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from ingest.past.formats import Format
from ingest.past.import_counts import ImportCounts
from ingest.past.import_request import ImportSelection
from ingest.past.import_state import HEAD_BYTES, ImportState, SavedImport, fresh_digest
from ingest.past.lines import Lines
from ingest.past.past_event import BrokenLineError, Reader
from ingest.past.past_pipeline import PastPipeline
from ingest.pipeline.reference import Reference
from ingest.rows.batch import Batch, Insert
from ingest.rows.layout import EventRows
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.salts import Salt, Salts, fresh_key
from ingest.sessions.session import Session

BATCH_EVENTS: Final = 10_000
"""Maximum number of events in a batch."""

BATCH_BYTES: Final = 64_000_000
"""Number of bytes after which progress is saved, even without events."""

SALT_GONE: Final = (
    "The salt of this import is deleted, 48 hours after it was made: visitors from here on have "
    "other ids than before, and no visit goes on."
)


class ImportRun:
    """Processes records one by one, and returns the state to save after each batch.

    Attributes:
        id: Id of the import.
        counts: Counts of all lines, including those of earlier runs.
        position: Number of processed bytes of the content.
        first_position: Number of bytes that earlier runs have processed.
        earlier_lines: Number of lines that earlier runs have processed.
        was_done: Whether an earlier run had reached the end of the file.
        repeated: Inserts that an earlier run may already have sent to the store; empty if none.
        notes: Information for the operator, one sentence each.
    """

    def __init__(
        self,
        reader: Reader,
        form: Format,
        selection: ImportSelection,
        session_seconds: int,
        now: float,
        saved: SavedImport | None = None,
    ) -> None:
        """Start or resume an import.

        Args:
            reader: Reader of the file's format.
            form: The format.
            selection: The events to import.
            session_seconds: Time without events after which a session ends.
            now: Unix seconds.
            saved: The state of an earlier run; None for a new import.
        """
        self._reader, self._form, self._selection = reader, form, selection
        self._session_seconds = session_seconds
        self._lines = Lines(reader)
        self._digest, self._head = fresh_digest(), fresh_digest()
        self._rows: list[EventRows] = []
        self.notes: list[str] = []
        self.position = self._cut_position = 0
        visits: tuple[Session, ...] = ()
        self.repeated: tuple[Insert, ...] = ()
        if saved is None:
            self.id = secrets.token_hex(6)
            self.counts = ImportCounts()
            self.first_position = self.earlier_lines = 0
            self._expected, self._earlier_seconds, self.was_done = "", 0.0, False
            self._salt: Salt | None = None
            self._batch, self._first = Batch(), 0
        else:
            state = saved.state
            self.id, self.counts = state.id, copy.deepcopy(state.counts)
            self.first_position, self.earlier_lines = state.position, state.counts.lines
            self._expected, self._earlier_seconds = state.digest, state.seconds
            self.was_done, self._salt, visits = state.done, state.salt, saved.visits
            self._batch, self._first = Batch(), state.events
            self.repeated = self._repeated_inserts(saved.rows, state.batch_first)
        self._pipeline = self._pipeline_of(visits)
        self._see_to_salt(now)

    @property
    def first_is_as_expected(self) -> bool:
        """Whether the skipped content equals the content that earlier runs have processed."""
        return not self.first_position or self._digest.hexdigest() == self._expected

    @property
    def batch_is_full(self) -> bool:
        """Whether the batch should be cut now."""
        return len(self._batch) >= BATCH_EVENTS or self.position - self._cut_position >= BATCH_BYTES

    @property
    def has_uncut(self) -> bool:
        """Whether anything was processed since the last cut."""
        return self.position > self._cut_position

    def skip(self, piece: bytes) -> Iterator[tuple[bytes, int]]:
        """Skip content that earlier runs have processed.

        Returns:
            The records in the rest of the piece, as from `feed`.
        """
        missing = self.first_position - self.position
        self._consume(piece[:missing])
        self._cut_position = self.position
        return self._lines.feed(piece[missing:])

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, int]]:
        """See `Lines.feed`."""
        return self._lines.feed(piece)

    def with_salt(self, reference: Reference) -> Reference:
        """Return the reference data for the steps, with the salt of this import."""
        assert self._salt is not None  # noqa: S101 - there is one while lines are read
        return replace(reference, salts=Salts(self._salt), agreed_salts=None)

    def take(self, records: Iterable[tuple[bytes, int]], reference: Reference) -> int:
        """Process records.

        Args:
            records: The records, each with its number of lines.
            reference: The result of `with_salt`.

        Returns:
            The number of records.
        """
        taken = 0
        for record, lines in records:
            taken += 1
            self._consume(record)
            for rows in self._pipeline.take(record, lines, reference):
                self._batch.add(rows)
                self._rows.append(rows)
        return taken

    def take_last_line(self, reference: Reference, *, may_go_on: bool) -> None:
        """Process a last line without a line end, unless it may be incomplete.

        Args:
            reference: As for `take`.
            may_go_on: Whether the line may be incomplete, because the file is still written to or
                could not be read to its end.
        """
        line = self._lines.rest
        if not line.strip():
            return
        try:
            if may_go_on:
                raise BrokenLineError("may go on")
            self._reader.read(line)
        except BrokenLineError:
            self.notes.append("The last line is not whole: it is left for another run.")
        else:
            self.take([(line, 1)], reference)

    def cut(self, now: float, seconds: float) -> tuple[SavedImport, tuple[Insert, ...]]:
        """Close the batch and begin the next.

        Args:
            now: Unix seconds.
            seconds: Working time of this run.

        Returns:
            The state to save before the batch is stored, and the batch.
        """
        batch, rows, first = self._batch, tuple(self._rows), self._first
        end = first + len(batch)
        self._batch, self._rows, self._first = Batch(), [], end
        self._cut_position = self.position
        self._see_to_salt(now)
        state = self._state(first, end, now, seconds)
        saved = SavedImport(state, tuple(self._pipeline.visits), rows)
        return saved, self._inserts(batch, first)

    def finish(self, now: float, seconds: float, *, done: bool, keep: bool) -> SavedImport:
        """Return the final state of the import, once all rows are stored.

        Args:
            now: Unix seconds.
            seconds: Working time of this run.
            done: Whether the file was read to its end.
            keep: Whether to keep the sessions for another run.
        """
        self._see_to_salt(now)
        state = replace(self._state(self._first, self._first, now, seconds), done=done)
        if keep:
            return SavedImport(state, tuple(self._pipeline.visits))
        return SavedImport(state.without_salt())

    def discard(self) -> None:
        """Discard the collected rows."""
        self._first += len(self._batch)
        self._batch, self._rows = Batch(), []
        self._cut_position = self.position

    def _consume(self, content: bytes) -> None:
        if self.position < HEAD_BYTES:
            self._head.update(content[: HEAD_BYTES - self.position])
        self._digest.update(content)
        self.position += len(content)

    def _pipeline_of(self, visits: tuple[Session, ...]) -> PastPipeline:
        open_sessions = OpenSessions(self._session_seconds)
        open_sessions.restore(visits)
        return PastPipeline(self._reader, self._selection, open_sessions, self.counts)

    def _see_to_salt(self, now: float) -> None:
        """Replace the salt if it is too old (spec/sessions.md §2)."""
        if self._salt is not None and self._salt.is_fresh(now):
            return
        if self._salt is not None or (self.first_position and not self.was_done):
            self.notes.append(SALT_GONE)
            self._pipeline = self._pipeline_of(())
        self._salt = Salt(fresh_key(), math.floor(now))

    def _inserts(self, batch: Batch, first: int, *, attempted: bool = False) -> tuple[Insert, ...]:
        token = f"import-{self.id}-{first}-{first + len(batch)}"
        return batch.inserts(token, attempted=attempted)

    def _repeated_inserts(self, rows: Iterable[EventRows], first: int) -> tuple[Insert, ...]:
        batch = Batch()
        for each in rows:
            batch.add(each)
        return self._inserts(batch, first, attempted=True)

    def _state(self, first: int, end: int, now: float, seconds: float) -> ImportState:
        return ImportState(
            id=self.id,
            form=self._form,
            selection=self._selection,
            position=self.position,
            digest=self._digest.hexdigest(),
            head=self._head.hexdigest(),
            counts=copy.deepcopy(self.counts),
            events=end,
            batch_first=first,
            salt=self._salt,
            done=False,
            updated_at=math.floor(now),
            seconds=self._earlier_seconds + seconds,
        )

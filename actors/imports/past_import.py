"""One import: reads files, and appends their events to the log."""

import copy
import math
import time
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final

import structlog
import trio

from actors.imports.destination import DryRun
from actors.imports.input_stream import InputStream
from actors.imports.opening import (
    ImportContext,
    ImportMistakeError,
    OpenedFiles,
    find_previous,
    open_files,
)
from actors.imports.source import SourceError
from actors.log.log import TOGETHER, LogError
from ingest.model.event import EnrichedEvent
from ingest.past.formats import FAILS, Format
from ingest.past.import_counts import ImportCounts
from ingest.past.import_progress import ImportProgress, Phase
from ingest.past.import_request import ImportRequest
from ingest.past.import_state import ImportState, ReadContent
from ingest.past.lines import Lines, slices
from ingest.past.past_event import BrokenLineError, Reader, SkipReason, read_record
from ingest.past.past_pipeline import PastPipeline, last_number, read_line
from ingest.sessions.salts import Salts
from ingest.telemetry.logs import stack_of

log = structlog.get_logger()

STRETCH_EVENTS: Final = 5_000
"""Number of events after which they are appended, and progress is saved."""

STRETCH_BYTES: Final = 64_000_000
"""Number of bytes after which progress is saved, even without events."""

LONGEST_PAUSE: Final = 0.1
"""Seconds that count as work at most; the rest was other tasks' while an import waited for room."""

SALT_GONE: Final = (
    "The salt of this import is deleted, 48 hours after it was made: visitors from here on have "
    "other ids than before, and no visit goes on."
)


class PastImport:
    """A running import.

    It may be cancelled, or killed, at any moment: the next run for the same file goes on where the
    state file says. See `ingest.past.import_state`.
    """

    def __init__(self, request: ImportRequest, context: ImportContext) -> None:
        """Prepare an import.

        Args:
            request: What to import.
            context: The dependencies.
        """
        self._request, self._context = request, context
        self._destination = (
            DryRun(context.session_seconds) if request.dry_run else context.destination
        )
        self._began = trio.current_time()
        self._phase = Phase.CHECKING
        self._stream: InputStream | None = None
        self._state = ImportState("", Format.EVENTS, request.selection, anew=request.anew)
        self._shown = self._counts = ImportCounts()
        self._earlier_lines, self._earlier_seconds = 0, 0.0
        self._follows_fold = False
        self._content = ReadContent()
        self._expected: ImportState | None = None
        self._notes: list[str] = []
        self._saving = trio.Lock()

    @property
    def id(self) -> str | None:
        """Of the import; None until it is known whether it goes on with an earlier one."""
        return self._state.id if self._follows_fold else None

    async def run(self) -> None:
        """Import the files.

        Raises:
            ImportMistakeError: The import cannot go on; what was appended before will be stored.
        """
        try:
            opened = await open_files(self._request, self._context)
            stream = self._stream = opened.stream
            found = await find_previous(self._request, self._context.states, opened)
            await self._go_on_from(opened, found)
            if not (self._request.dry_run or self._request.force):
                await self._check_lines(stream, opened.make_reader())
                if self._shown.too_broken:
                    self._phase = Phase.REFUSED
                    return
            self._shown, self._phase = self._counts, Phase.READING
            before = self._state
            await self._read(stream, opened.make_reader())
            await self._finish(before, stream.problem)
        except SourceError as error:
            raise ImportMistakeError(str(error)) from None
        except LogError as error:
            raise ImportMistakeError(f"the log takes no events: {error}") from None
        finally:
            if self._stream is not None:
                self._stream.close()

    async def forget_old_salt(self) -> None:
        """Delete the salt if it is too old, also while lines wait for the log or the store."""
        if self.id is None or not self._state.salt_is_due(self._context.clock.now()):
            return
        try:
            await self._save()
        except ImportMistakeError as error:
            log.error("salt of an import is not deleted", id=self._state.id, error=str(error))

    def progress(self) -> ImportProgress:
        """How far it is."""
        stream, state, counts = self._stream, self._state, copy.deepcopy(self._shown)
        figures = state.figures
        if self._follows_fold:
            figures = figures.advanced(state.seen, self._destination.figures(state.source))
        phase = self._phase
        if phase is Phase.CHECKING or phase is Phase.REFUSED or self._request.dry_run:
            shown_id = ""
        else:
            shown_id = state.id
        if phase is Phase.READING and self._destination.waits:
            phase = Phase.WAITING
        counts = counts.with_figures(figures)
        if self._destination.note is not None:
            counts.visits = None
        return ImportProgress(
            id=shown_id,
            phase=phase,
            form=state.form.value,
            done=0 if stream is None else stream.done,
            total=0 if stream is None else stream.total,
            counts=counts,
            earlier_lines=self._earlier_lines,
            seconds=self._seconds(),
            notes=tuple(self._notes),
            seconds_left=None if stream is None else stream.seconds_left,
        )

    async def _go_on_from(self, opened: OpenedFiles, found: ImportState | None) -> None:
        """Begin where an earlier run has ended."""
        state = self._expected = found
        if state is None:
            own_id = self._context.states.new_id(self._request, opened.form, opened.head)
            state = replace(self._state, id=own_id, form=opened.form)
        self._state = state
        self._counts = copy.deepcopy(state.counts)
        self._earlier_lines, self._earlier_seconds = state.counts.lines, state.seconds
        await self._destination.ready()
        self._follows_fold = True

    async def _check_lines(self, stream: InputStream, reader: Reader) -> None:
        """Read all lines once, so that nothing is stored if too many of them are broken."""
        counts = self._shown = copy.deepcopy(self._counts)
        lines, earlier, left = Lines(reader), Lines(reader), self._state.appended
        async with aclosing(stream.pieces()) as pieces:
            async for piece in pieces:
                passed = min(left, len(piece))
                left -= passed
                self._read_headers(earlier, piece[:passed], reader)
                for records in slices(lines.feed(piece[passed:])):
                    began = time.perf_counter()
                    for record, number in records:
                        first = counts.lines + 1
                        try:
                            past = read_line(reader, record, number, counts)
                        except Exception as error:
                            _break_by_failure(counts, first, error)
                            continue
                        if isinstance(past, SkipReason):
                            counts.skip(past)
                    await self._pause(time.perf_counter() - began)

    async def _read(self, stream: InputStream, reader: Reader) -> None:
        """Append the events of all lines that earlier runs have not appended."""
        content, lines, earlier = self._content, Lines(reader), Lines(reader)
        pipeline = PastPipeline(reader, self._request.selection, self._state.source, self._counts)
        events: list[EnrichedEvent] = []
        async with aclosing(stream.pieces()) as pieces:
            async for piece in pieces:
                passed = max(min(self._state.appended - content.position, len(piece)), 0)
                self._add(piece[:passed])
                self._read_headers(earlier, piece[:passed], reader)
                if passed:
                    stream.mark()
                for records in slices(lines.feed(piece[passed:])):
                    began = time.perf_counter()
                    events += self._events_of(records, pipeline)
                    await self._pause(time.perf_counter() - began)
                    if self._is_enough(len(events)):
                        await self._append(events)
                        events = []
        may_go_on = self._request.growing or stream.problem is not None
        if self._last_line_is_whole(lines.rest, reader, may_go_on=may_go_on):
            events += self._events_of([(lines.rest, 1)], pipeline)
        if self._expected is not None:
            path = self._request.paths[0]
            raise ImportMistakeError(str(stream.problem or f"{path} has become shorter"))
        await self._append(events)

    async def _finish(self, before: ImportState, problem: SourceError | None) -> None:
        """Wait until everything is stored, and remember that."""
        state, done = self._state, problem is None
        nothing_new = before.done and self._content.position == before.position
        if state.position and not (nothing_new and before.salt is None):
            await self._destination.store()
            if done and not self._request.growing:
                await self._save(state)  # with the figures, which the fold forgets now
                last = last_number(self._counts.lines)
                await self._destination.end(state.source, last)
                state = replace(state, salt=None)
            await self._save(replace(state, done=done))
        if problem is not None:
            raise ImportMistakeError(
                f"{problem}; what was before is stored, up to line {self._counts.lines}"
            )
        self._phase = Phase.KNOWN if nothing_new else Phase.FINISHED
        if self._destination.note is not None and not nothing_new:
            self._notes.append(self._destination.note)

    # The parts of these steps.

    def _read_headers(self, earlier: Lines, piece: bytes, reader: Reader) -> None:
        """Read the headers among the lines that earlier runs have appended: they hold for the rest.

        Only the W3C format may have more than the one at the beginning.
        """
        if self._state.form is not Format.W3C:
            return
        for line, _ in earlier.feed(piece):
            if line.startswith(b"#"):
                with suppress(BrokenLineError):
                    read_record(reader, line)

    async def _pause(self, worked: float) -> None:
        """Let other tasks run, for as long as the settings give them."""
        if self._context.pause_ratio:
            await trio.sleep(min(worked, LONGEST_PAUSE) * self._context.pause_ratio)
        else:
            await trio.lowlevel.checkpoint()

    def _events_of(
        self, records: list[tuple[bytes, int]], pipeline: PastPipeline
    ) -> list[EnrichedEvent]:
        """The events of records. A record that makes the program fail counts as broken."""
        self._see_to_salt()
        assert self._state.salt is not None  # noqa: S101 - there is one while lines are read
        salts = Salts(self._state.salt)
        reference = replace(self._context.reference, salts=salts, agreed_salts=None)
        events: list[EnrichedEvent] = []
        for record, lines in records:
            number = self._counts.lines + 1
            try:
                events += pipeline.take(record, lines, reference)
            except Exception as error:
                _break_by_failure(self._counts, number, error)
            self._add(record)
        return events

    def _add(self, piece: bytes) -> None:
        """Note what was read, and compare it with what an earlier run has read."""
        content, expected = self._content, self._expected
        if expected is not None and content.position + len(piece) >= expected.position:
            # A record may go on where it had its end: the file ended there.
            known = expected.position - content.position
            content.add(piece[:known])
            piece = piece[known:]
            if content.digest != expected.digest:
                raise ImportMistakeError(f"{self._request.paths[0]} has changed while it was read")
            self._expected = None
        content.add(piece)

    def _is_enough(self, events: int) -> bool:
        """Whether the events should be appended now.

        The state file must go on saying how far the log may be.
        """
        position, state = self._content.position, self._state
        return position >= state.position and (
            events >= STRETCH_EVENTS or position - state.appended >= STRETCH_BYTES
        )

    def _last_line_is_whole(self, line: bytes, reader: Reader, *, may_go_on: bool) -> bool:
        """Whether to take a last line without a line end; it may be incomplete."""
        if not line.strip():
            return False
        try:
            if may_go_on:
                raise BrokenLineError("may go on")
            reader.read(line)
        except BrokenLineError:
            self._notes.append("The last line is not whole: it is left for another run.")
            return False
        except Exception:
            return True  # It fails again when it is taken, and is counted then.
        return True

    async def _append(self, events: list[EnrichedEvent]) -> None:
        """Append the events of the lines since the last call, after a note of these lines."""
        content = self._content
        if content.position == self._state.appended:
            return
        noted = replace(
            self._state,
            position=content.position,
            digest=content.digest,
            head=content.head,
            done=False,
        )
        await self._save(noted)
        for start in range(0, len(events), TOGETHER):
            began = time.thread_time()
            await self._destination.append(events[start : start + TOGETHER])
            await self._pause(time.thread_time() - began)
        await self._destination.keep()
        self._state = replace(
            self._state, appended=content.position, counts=copy.deepcopy(self._counts)
        )

    def _see_to_salt(self) -> None:
        """Replace the salt if it is too old (spec/sessions.md §2)."""
        state, now = self._state, self._context.clock.now()
        if state.salt is not None and state.salt.is_fresh(now):
            return
        if state.salt is not None or (state.appended and not state.done):
            self._notes.append(SALT_GONE)
        self._state = replace(state, salt=self._context.states.new_salt(state.id, now))

    async def _save(self, state: ImportState | None = None) -> None:
        """Save a state, or the current one, with what the fold says by now, and no old salt."""
        async with self._saving:
            now, before, state = self._context.clock.now(), self._state, state or self._state
            seen = self._destination.figures(state.source)
            self._state = state = replace(
                state,
                figures=before.figures.advanced(before.seen, seen),
                seen=seen,
                salt=None if state.salt_is_due(now) else state.salt,
                updated_at=math.floor(now),
                seconds=self._earlier_seconds + self._seconds(),
            )
            if self._request.dry_run:
                return
            try:
                await trio.to_thread.run_sync(self._context.states.save, state)
            except OSError as error:
                raise ImportMistakeError(
                    f"cannot write down how far the import is: {error.strerror}"
                ) from None

    def _seconds(self) -> float:
        return trio.current_time() - self._began


def _break_by_failure(counts: ImportCounts, number: int, error: Exception) -> None:
    """Count a line that makes the program fail as broken, and log the first of its kind."""
    problem = f"{FAILS}: {type(error).__name__}"
    if problem not in counts.broken:
        log.error("line cannot be imported", line=number, stack=stack_of(error))
    counts.break_at(number, problem)

"""One import: reads files, and appends their events to the log."""

import copy
import math
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.imports.destination import Destination, DryRun
from actors.imports.import_files import ImportFiles
from actors.imports.source import InputFiles, SourceError
from actors.log.log import LogError
from ingest.model.event import EnrichedEvent
from ingest.past.formats import Format, UnknownFormatError, find_format, make_reader
from ingest.past.import_counts import ImportCounts
from ingest.past.import_progress import ImportProgress, Phase
from ingest.past.import_request import ImportRequest
from ingest.past.import_state import ImportState, ReadContent
from ingest.past.lines import Lines, slices
from ingest.past.past_event import BrokenLineError, Reader, ReaderOptions, SkipReason
from ingest.past.past_pipeline import PastPipeline, read_line
from ingest.past.previous_import import PreviousImportSearch
from ingest.pipeline.reference import Reference
from ingest.request.client_address import TrustedProxies
from ingest.sessions.salts import Salt, Salts, fresh_key
from ingest.telemetry.logs import stack_of

log = structlog.get_logger()

STRETCH_EVENTS: Final = 5_000
"""Number of events after which they are appended, and progress is saved."""

STRETCH_BYTES: Final = 64_000_000
"""Number of bytes after which progress is saved, even without events."""

SALT_GONE: Final = (
    "The salt of this import is deleted, 48 hours after it was made: visitors from here on have "
    "other ids than before, and no visit goes on."
)

HAS_ROWS: Final = (
    "was interrupted in an earlier version of Sluice while it stored events, and some of them may "
    "be missing. Finish it with that version; or put the lines after line {lines} into a file of "
    "their own and import that"
)


class ImportMistakeError(Exception):
    """The import cannot be done as requested; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class ImportContext:
    """The dependencies of imports.

    Attributes:
        reference: Sites and places; its salts are not used.
        files: Where the state of imports is saved.
        clock: Tells the time.
        proxies: Proxies whose forwarding headers are trusted.
        session_seconds: Time without events after which a session ends, for dry runs.
        destination: Takes the events.
        pause_ratio: Seconds to pause for each second of work, so that other tasks can run.
    """

    reference: Reference
    files: ImportFiles
    clock: Clock
    proxies: TrustedProxies
    session_seconds: int
    destination: Destination
    pause_ratio: float = 0.0


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
        self._began = self._mark_at = trio.current_time()
        self._mark_done = 0
        self._phase = Phase.CHECKING
        self._source: InputFiles | None = None
        self._problem: SourceError | None = None
        self._state = ImportState(secrets.token_hex(6), Format.EVENTS, request.selection)
        self._shown = self._counts = ImportCounts()
        self._earlier_lines, self._earlier_seconds = 0, 0.0
        self._follows_fold = False
        self._content = ReadContent()
        self._expected: ImportState | None = None
        self._notes: list[str] = []

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
            source, form, make = await self._open()
            self._source = source
            await self._go_on_from(form, await self._previous(source, form))
            if not (self._request.dry_run or self._request.force):
                await self._check_lines(source, make())
                if self._shown.too_broken:
                    self._phase = Phase.REFUSED
                    return
            self._shown, self._phase = self._counts, Phase.READING
            before = self._state
            await self._read(source, make())
            await self._finish(before)
        except SourceError as error:
            raise ImportMistakeError(str(error)) from None
        except LogError as error:
            raise ImportMistakeError(f"the log takes no events: {error}") from None
        finally:
            if self._source is not None:
                self._source.close()

    def progress(self) -> ImportProgress:
        """How far it is."""
        source, state, counts = self._source, self._state, copy.deepcopy(self._shown)
        figures = state.figures
        if self._follows_fold:
            figures = figures.advanced(state.seen, self._destination.figures(state.source))
        phase = self._phase
        if phase is Phase.CHECKING or phase is Phase.REFUSED or self._request.dry_run:
            shown_id = ""
        else:
            shown_id = state.id
        if phase is Phase.READING and not self._destination.has_room:
            phase = Phase.WAITING
        return ImportProgress(
            id=shown_id,
            phase=phase,
            form=state.form.value,
            done=0 if source is None else min(source.done, source.total),
            total=0 if source is None else source.total,
            counts=counts.with_figures(figures),
            earlier_lines=self._earlier_lines,
            seconds=self._seconds(),
            notes=tuple(self._notes),
            seconds_left=self._seconds_left(),
        )

    async def _open(self) -> tuple[InputFiles, Format, Callable[[], Reader]]:
        """Open the files and detect their format."""
        request, context = self._request, self._context
        selection = request.selection
        if selection.site is not None and context.reference.site(selection.site) is None:
            raise ImportMistakeError(f"{selection.site} is none of the sites in the sites file")
        options = ReaderOptions(
            received=context.clock.seconds(),
            site=selection.site,
            proxies=context.proxies,
            with_not_found=selection.with_not_found,
            pattern=selection.pattern,
            names=selection.names,
        )
        source = await trio.to_thread.run_sync(InputFiles, request.paths)
        sample = await trio.to_thread.run_sync(source.sample)
        try:
            form = find_format(sample, options, request.form)
            make = partial(make_reader, form, options, sample)
            make()
        except (UnknownFormatError, BrokenLineError) as error:
            raise ImportMistakeError(f"{request.paths[0]}: {error}") from None
        return source, form, make

    async def _previous(self, source: InputFiles, form: Format) -> ImportState | None:
        """Find out by the content whether it, or its beginning, was imported before."""
        if self._request.anew:
            return None
        selection, path = self._request.selection, self._request.paths[0]
        known = await trio.to_thread.run_sync(lambda: list(self._context.files.states()))
        search = PreviousImportSearch(
            [each for each in known if each.form is form and each.selection.site == selection.site]
        )
        async with aclosing(self._pieces(source)) as pieces:
            async for piece in pieces:
                if search.finished:
                    break
                search.feed(piece)
            else:
                search.end()
        found, changed = search.found, search.changed
        if found is None and changed is not None:
            raise ImportMistakeError(
                f"{path} begins like the file of import {changed.id}, but differs from what was "
                "imported of that; --again imports it as another file"
            )
        if found is not None and found.selection != selection:
            raise ImportMistakeError(
                f"{path} was imported before with another choice of events (import {found.id}); "
                "--again imports it once more"
            )
        if found is not None and found.has_rows:
            problem = HAS_ROWS.format(lines=found.counts.lines)
            raise ImportMistakeError(f"import {found.id} of {path} {problem}")
        return found

    async def _go_on_from(self, form: Format, found: ImportState | None) -> None:
        """Begin where an earlier run has ended."""
        self._state = replace(self._state, form=form) if found is None else found
        self._expected = found
        state = self._state
        self._counts = copy.deepcopy(state.counts)
        self._earlier_lines, self._earlier_seconds = state.counts.lines, state.seconds
        await self._destination.ready()
        self._follows_fold = True

    async def _check_lines(self, source: InputFiles, reader: Reader) -> None:
        """Read all lines once, so that nothing is stored if too many of them are broken."""
        counts = self._shown = copy.deepcopy(self._counts)
        lines, left = Lines(reader), self._state.appended
        async with aclosing(self._pieces(source)) as pieces:
            async for piece in pieces:
                passed = min(left, len(piece))
                left -= passed
                for records in slices(lines.feed(piece[passed:])):
                    began = time.perf_counter()
                    for record, number in records:
                        past = read_line(reader, record, number, counts)
                        if isinstance(past, SkipReason):
                            counts.skip(past)
                    await self._pause(time.perf_counter() - began)

    async def _read(self, source: InputFiles, reader: Reader) -> None:
        """Append the events of all lines that earlier runs have not appended."""
        content, lines = self._content, Lines(reader)
        pipeline = PastPipeline(reader, self._request.selection, self._state.source, self._counts)
        self._see_to_salt()
        events: list[EnrichedEvent] = []
        async with aclosing(self._pieces(source)) as pieces:
            async for piece in pieces:
                passed = max(min(self._state.appended - content.position, len(piece)), 0)
                self._add(piece[:passed])
                if passed:
                    self._mark(source.done)
                for records in slices(lines.feed(piece[passed:])):
                    began = time.perf_counter()
                    events += self._events_of(records, pipeline)
                    await self._pause(time.perf_counter() - began)
                    if self._is_enough(len(events)):
                        await self._append(events)
                        events = []
        if self._last_line_is_whole(lines.rest, reader):
            events += self._events_of([(lines.rest, 1)], pipeline)
        if self._expected is not None:
            path = self._request.paths[0]
            raise ImportMistakeError(str(self._problem or f"{path} has become shorter"))
        await self._append(events)

    async def _finish(self, before: ImportState) -> None:
        """Wait until everything is stored, and remember that."""
        state, done = self._state, self._problem is None
        nothing_new = before.done and self._content.position == before.position
        if state.position and not (nothing_new and before.salt is None):
            await self._destination.store()
            # From here on, no line is read again: its number may be forgotten.
            await self._save(state)
            if done and not self._request.growing:
                await self._destination.end(state.source)
                state = replace(state, salt=None)
            await self._save(replace(state, done=done))
        if self._problem is not None:
            raise ImportMistakeError(
                f"{self._problem}; what was before is stored, up to line {self._counts.lines}"
            )
        self._phase = Phase.KNOWN if nothing_new else Phase.FINISHED

    # The parts of these steps.

    async def _pieces(self, source: InputFiles) -> AsyncGenerator[bytes, None]:
        """The content; a file that cannot be read to its end is noted."""
        self._problem = None
        await trio.to_thread.run_sync(source.rewind)
        self._mark(0)
        try:
            while piece := await trio.to_thread.run_sync(source.read, abandon_on_cancel=True):
                yield piece
        except SourceError as error:
            self._problem = error

    async def _pause(self, worked: float) -> None:
        """Let other tasks run, for as long as the settings give them."""
        if self._context.pause_ratio:
            await trio.sleep(worked * self._context.pause_ratio)
        else:
            await trio.lowlevel.checkpoint()

    def _events_of(
        self, records: list[tuple[bytes, int]], pipeline: PastPipeline
    ) -> list[EnrichedEvent]:
        """The events of records. A record that makes the program fail counts as broken."""
        assert self._state.salt is not None  # noqa: S101 - there is one while lines are read
        salts = Salts(self._state.salt)
        reference = replace(self._context.reference, salts=salts, agreed_salts=None)
        events: list[EnrichedEvent] = []
        for record, lines in records:
            number = self._counts.lines + 1
            try:
                events += pipeline.take(record, lines, reference)
            except Exception as error:
                problem = f"Sluice fails on it: {type(error).__name__}"
                if problem not in self._counts.broken:
                    log.error("line cannot be imported", line=number, stack=stack_of(error))
                self._counts.break_at(number, problem)
            self._add(record)
        return events

    def _add(self, piece: bytes) -> None:
        """Note what was read, and compare it with what an earlier run has read."""
        content, expected = self._content, self._expected
        content.add(piece)
        if expected is not None and content.position >= expected.position:
            if (content.position, content.digest) != (expected.position, expected.digest):
                raise ImportMistakeError(f"{self._request.paths[0]} has changed while it was read")
            self._expected = None

    def _is_enough(self, events: int) -> bool:
        """Whether the events should be appended now.

        The state file must go on saying how far the log may be.
        """
        position, state = self._content.position, self._state
        return position >= state.position and (
            events >= STRETCH_EVENTS or position - state.appended >= STRETCH_BYTES
        )

    def _last_line_is_whole(self, line: bytes, reader: Reader) -> bool:
        """Whether to take a last line without a line end; it may be incomplete."""
        if not line.strip():
            return False
        try:
            if self._request.growing or self._problem is not None:
                raise BrokenLineError("may go on")
            reader.read(line)
        except BrokenLineError:
            self._notes.append("The last line is not whole: it is left for another run.")
            return False
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
        await self._destination.append(events)
        await self._destination.keep()
        self._state = replace(
            self._state, appended=content.position, counts=copy.deepcopy(self._counts)
        )
        self._see_to_salt()

    def _see_to_salt(self) -> None:
        """Replace the salt if it is too old (spec/sessions.md §2)."""
        state, now = self._state, self._context.clock.now()
        if state.salt is not None and state.salt.is_fresh(now):
            return
        if state.salt is not None or (state.appended and not state.done):
            self._notes.append(SALT_GONE)
        self._state = replace(state, salt=Salt(fresh_key(), math.floor(now)))

    async def _save(self, state: ImportState) -> None:
        """Save a state, with what the fold says by now."""
        seen = self._destination.figures(state.source)
        self._state = state = replace(
            state,
            figures=self._state.figures.advanced(self._state.seen, seen),
            seen=seen,
            updated_at=self._context.clock.seconds(),
            seconds=self._earlier_seconds + self._seconds(),
        )
        if self._request.dry_run:
            return
        try:
            await trio.to_thread.run_sync(self._context.files.save, state)
        except OSError as error:
            raise ImportMistakeError(
                f"cannot write down how far the import is: {error.strerror}"
            ) from None

    def _mark(self, done: int) -> None:
        """Measure the speed from here on."""
        self._mark_at, self._mark_done = trio.current_time(), done

    def _seconds_left(self) -> float | None:
        source = self._source
        if source is None or source.done <= self._mark_done:
            return None
        share = (source.total - source.done) / (source.done - self._mark_done)
        return max(share, 0.0) * (trio.current_time() - self._mark_at)

    def _seconds(self) -> float:
        return trio.current_time() - self._began

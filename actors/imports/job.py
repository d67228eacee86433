"""One import: reads files, stores the rows of their events exactly once, and saves its progress."""

import copy
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

import trio

from actors.clock.wall_clock import Clock
from actors.imports.import_files import ImportFiles
from actors.imports.source import InputFiles, SourceError
from actors.imports.stored_rows import StoredRows
from actors.pipeline.flush import Flush
from ingest.past.formats import Format, UnknownFormatError, find_format, make_reader
from ingest.past.import_counts import ImportCounts
from ingest.past.import_progress import ImportProgress, Phase
from ingest.past.import_request import ImportRequest
from ingest.past.import_run import ImportRun
from ingest.past.import_state import ImportState, SavedImport, parts_of
from ingest.past.line_check import LineCheck
from ingest.past.lines import slice_of
from ingest.past.past_event import BrokenLineError, Reader, ReaderOptions
from ingest.past.previous_import import PreviousImportSearch
from ingest.pipeline.reference import Reference
from ingest.request.client_address import TrustedProxies
from ingest.rows.batch import Insert


class ImportMistakeError(Exception):
    """The import cannot be done as requested; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class ImportContext:
    """The dependencies of an import, in a server or in a command's own process.

    Attributes:
        reference: Sites and places; its salts are not used.
        files: Where the state of imports is saved.
        clock: Tells the time.
        proxies: Proxies whose forwarding headers are trusted.
        session_seconds: Time without events after which a session ends.
        outlet: Channel to the writer; a job uses a clone of it.
        stored: Finds the rows that the store already has.
        pause_ratio: Seconds to pause for each second of work, so that other tasks can run.
    """

    reference: Reference
    files: ImportFiles
    clock: Clock
    proxies: TrustedProxies
    session_seconds: int
    outlet: trio.MemorySendChannel[Flush]
    stored: StoredRows
    pause_ratio: float = 0.0


class ImportJob:
    """Owns a running import: its files, its open sessions and the batch being collected.

    All work happens in `advance`, which works for a limited time and returns. The import lives as
    long as somebody calls it. It may end at any moment, also by `kill -9`: the next job for the
    same file resumes after the last batch that was handed over. The rows of that batch are written
    to the state file before they go to the store. So a repeated insert has the same rows, and the
    job can check whether the store has them.

    While one batch is being stored, the next is collected.
    """

    @classmethod
    async def begin(cls, request: ImportRequest, context: ImportContext) -> "ImportJob":
        """Open the files and detect their format.

        Args:
            request: What to import.
            context: The dependencies.

        Raises:
            ImportMistakeError: The files cannot be read, or their format is unknown.
        """
        site = request.selection.site
        if site is not None and context.reference.site(site) is None:
            raise ImportMistakeError(f"{site} is none of the sites in the sites file")
        options = ReaderOptions(
            received=context.clock.seconds(),
            site=site,
            proxies=context.proxies,
            with_not_found=request.selection.with_not_found,
            pattern=request.selection.pattern,
            names=request.selection.names,
        )
        try:
            source = await trio.to_thread.run_sync(InputFiles, request.paths)
            sample = await trio.to_thread.run_sync(source.sample)
            form = find_format(sample, options, request.form)
            make = partial(make_reader, form, options, sample)
            make()
        except SourceError as error:
            raise ImportMistakeError(str(error)) from None
        except (UnknownFormatError, BrokenLineError) as error:
            raise ImportMistakeError(f"{request.paths[0]}: {error}") from None
        known = [] if request.anew else await trio.to_thread.run_sync(_known, context.files)
        return cls(request, context, source, form, make, known)

    def __init__(
        self,
        request: ImportRequest,
        context: ImportContext,
        source: InputFiles,
        form: Format,
        make_reader: Callable[[], Reader],
        known: list[ImportState],
    ) -> None:
        """Own the source until `close`.

        Args:
            request: What to import.
            context: The dependencies.
            source: The files.
            form: Their format.
            make_reader: Makes a reader of that format.
            known: Earlier imports.
        """
        self._request, self._context, self._source = request, context, source
        self._form, self._make_reader = form, make_reader
        self._outlet = context.outlet.clone()
        site = request.selection.site
        self._search = PreviousImportSearch(
            [state for state in known if state.form is form and state.selection.site == site]
        )
        self._started = trio.current_time()
        self._step: Callable[[float], Awaitable[None]] | None = self._search_previous
        self._phase = Phase.CHECKING
        self._run: ImportRun | None = None
        self._check: LineCheck | None = None
        self._records: Iterator[tuple[bytes, int]] = iter(())
        self._problem: SourceError | None = None
        self._ended = self._stopping = False
        self._unsaved: SavedImport | None = None
        self._ready: tuple[Insert, ...] = ()
        self._flush: Flush | None = None

    async def advance(self, seconds: float) -> ImportProgress:
        """Work for about that long.

        Raises:
            ImportMistakeError: The import cannot go on; what was handled before is stored.
        """
        deadline = trio.current_time() + seconds
        while self._step is not None and trio.current_time() < deadline:
            await self._step(deadline)
        return self.progress()

    def progress(self) -> ImportProgress:
        """How far it is."""
        run = self._run
        return ImportProgress(
            id="" if run is None or self._request.dry_run or self._check else run.id,
            phase=self._phase,
            form=self._form.value,
            done=min(self._source.done, self._source.total),
            total=self._source.total,
            counts=copy.deepcopy(self._counts()),
            earlier_lines=0 if run is None else run.earlier_lines,
            seconds=self._seconds(),
            notes=() if run is None else tuple(run.notes),
        )

    @property
    def id(self) -> str:
        """Of the import; empty while it is not known."""
        return "" if self._run is None else self._run.id

    def stop(self) -> None:
        """Have what was handled stored, and nothing more."""
        self._stopping = True
        if self._run is None or self._step in (self._check_lines, self._skip, self._repeat):
            self._step, self._phase = None, Phase.STOPPED

    def close(self) -> None:
        """Let go of the file and the channel. Nothing is lost by it at any time."""
        self._outlet.close()
        self._source.close()

    # What follows are the steps. Each does a little, and says which one is next.

    async def _search_previous(self, _: float) -> None:
        """Find out whether the file was imported before."""
        if not self._search.finished:
            piece = await self._read_piece()
            if piece:
                self._search.feed(piece)
            else:
                self._search.end()
            return
        self._run = run = await self._open_run(self._previous_import())
        await self._rewind()
        if self._request.dry_run or self._request.force:
            self._phase, self._step = Phase.READING, self._skip
        else:
            self._check = LineCheck(self._make_reader(), run.counts, run.first_position)
            self._step = self._check_lines

    async def _check_lines(self, _: float) -> None:
        """Read all lines once, so that nothing is stored if too many of them are broken."""
        check = self._check
        assert check is not None, "the step before makes it"  # noqa: S101
        began = time.perf_counter()
        taken = check.take(slice_of(self._records))
        await self._pause(time.perf_counter() - began)
        if taken:
            return
        piece = await self._read_piece()
        if piece:
            self._records = check.feed(piece)
        elif check.fails:
            self._phase, self._step = Phase.REFUSED, None
        else:
            self._check = None
            await self._rewind()
            self._phase, self._step = Phase.READING, self._skip

    def _previous_import(self) -> ImportState | None:
        found, changed = self._search.found, self._search.changed
        path = self._request.paths[0]
        if found is None and changed is not None:
            raise ImportMistakeError(
                f"{path} begins like the file of import {changed.id}, but differs from what was "
                "imported of that; --again imports it as another file"
            )
        if found is not None and found.selection != self._request.selection:
            raise ImportMistakeError(
                f"{path} was imported before with another choice of events (import {found.id}); "
                "--again imports it once more"
            )
        return found

    async def _open_run(self, found: ImportState | None) -> ImportRun:
        try:
            saved = None if found is None else await self._in_thread_load(found.id)
        except (OSError, ValueError) as error:
            raise ImportMistakeError(f"the import cannot go on: {error}") from None
        return ImportRun(
            self._make_reader(),
            self._form,
            self._request.selection,
            self._context.session_seconds,
            self._context.clock.now(),
            saved,
        )

    async def _in_thread_load(self, import_id: str) -> SavedImport:
        return await trio.to_thread.run_sync(self._context.files.load, import_id)

    async def _skip(self, _: float) -> None:
        """Read again what earlier runs have handled."""
        run = self._current_run()
        if run.position < run.first_position:
            piece = await self._read_piece()
            if not piece:
                shorter = f"{self._request.paths[0]} has become shorter"
                raise ImportMistakeError(str(self._problem or shorter))
            self._records = run.skip(piece)
            return
        if not run.first_is_as_expected:
            raise ImportMistakeError(f"{self._request.paths[0]} has changed while it was read")
        self._ready = () if self._request.dry_run else run.repeated
        self._step = self._repeat if self._ready else self._read

    async def _repeat(self, deadline: float) -> None:
        """Look whether the store has the batch that an earlier run may have handed over."""
        missing = await self._context.stored.missing(self._ready, deadline)
        if missing is None:
            self._phase = Phase.WAITING
            return
        self._ready, self._step = missing, self._hand_over

    async def _read(self, _: float) -> None:
        """Handle a few records."""
        run = self._current_run()
        self._phase = Phase.READING
        if self._stopping or self._ended or run.batch_is_full:
            await self._cut(run)
            return
        began = time.perf_counter()
        reference = run.with_salt(self._context.reference)
        taken = run.take(slice_of(self._records), reference)
        await self._pause(time.perf_counter() - began)
        if taken:
            return
        piece = await self._read_piece()
        if piece:
            self._records = run.feed(piece)
        else:
            may_go_on = self._request.growing or self._problem is not None
            run.take_last_line(reference, may_go_on=may_go_on)
            self._ended = True

    async def _cut(self, run: ImportRun) -> None:
        """Close the batch, and have it handed over."""
        self._step = self._hand_over
        if self._request.dry_run:
            run.discard()
        elif run.has_uncut:
            now = self._context.clock.now()
            self._unsaved, self._ready = run.cut(now, self._seconds())

    async def _hand_over(self, deadline: float) -> None:
        """Have the batch stored, once the one before it is and the state file has its rows."""
        if self._unsaved is not None:
            if not await self._settled(deadline):
                return
            await self._save(self._unsaved)
            self._unsaved = None
        if self._ready:
            if not await self._send(self._ready, deadline):
                return
            self._ready = ()
        self._step = self._finish if self._ended or self._stopping else self._read

    async def _finish(self, deadline: float) -> None:
        """Wait for the last batch, and note that there is no other."""
        run = self._current_run()
        if not await self._settled(deadline):
            return
        done = self._ended and self._problem is None
        if not self._request.dry_run and run.position:
            keep = self._request.growing or not done
            now = self._context.clock.now()
            await self._save(run.finish(now, self._seconds(), done=done, keep=keep))
        self._step = None
        if self._problem is not None:
            raise ImportMistakeError(
                f"{self._problem}; what was before is stored, up to line {run.counts.lines}"
            )
        nothing_new = run.was_done and run.position == run.first_position
        self._phase = Phase.KNOWN if nothing_new else Phase.FINISHED if done else Phase.STOPPED

    # What the steps share.

    def _current_run(self) -> ImportRun:
        assert self._run is not None, "the first step makes it"  # noqa: S101
        return self._run

    def _counts(self) -> ImportCounts:
        if self._check is not None:
            return self._check.counts
        return ImportCounts() if self._run is None else self._run.counts

    async def _rewind(self) -> None:
        self._problem, self._records = None, iter(())
        await trio.to_thread.run_sync(self._source.rewind)

    async def _read_piece(self) -> bytes:
        try:
            return await trio.to_thread.run_sync(self._source.read, abandon_on_cancel=True)
        except SourceError as error:
            self._problem = error
            return b""

    async def _settled(self, deadline: float) -> bool:
        """Whether the batch that was handed over is stored; waits for it until the deadline."""
        if self._flush is None:
            return True
        with trio.move_on_at(deadline):
            await self._flush.stored.wait()
        if not self._flush.stored.is_set():
            self._phase = Phase.WAITING
            return False
        self._flush = None
        return True

    async def _send(self, inserts: tuple[Insert, ...], deadline: float) -> bool:
        """Hand a batch to the writer, if that is free before the deadline."""
        flush = Flush(inserts)
        with trio.move_on_at(deadline):
            await self._outlet.send(flush)
            self._flush = flush
            return True
        self._phase = Phase.WAITING
        return False

    async def _save(self, saved: SavedImport) -> None:
        parts: list[bytes] = []
        began = time.perf_counter()
        for part in parts_of(saved):
            parts.append(part)
            await self._pause(time.perf_counter() - began)
            began = time.perf_counter()
        save, content = self._context.files.save, b"".join(parts)
        try:
            await trio.to_thread.run_sync(save, saved.state.id, content)
        except OSError as error:
            raise ImportMistakeError(
                f"cannot write down how far the import is: {error.strerror}"
            ) from None

    async def _pause(self, worked: float) -> None:
        if self._context.pause_ratio:
            await trio.sleep(worked * self._context.pause_ratio)
        else:
            await trio.lowlevel.checkpoint()

    def _seconds(self) -> float:
        return trio.current_time() - self._started


def _known(files: ImportFiles) -> list[ImportState]:
    return list(files.states())

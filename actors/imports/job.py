"""One import: reads a file, has the rows of its events stored once, remembers how far it is."""

import copy
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import trio

from actors.clock.wall_clock import Clock
from actors.imports.import_files import ImportFiles
from actors.imports.source import Source, SourceError
from actors.imports.stored_rows import StoredRows
from actors.pipeline.receipts import Receipts
from ingest.past.formats import Format, UnknownFormatError, find_format, make_reader
from ingest.past.import_counts import Counts
from ingest.past.import_progress import Phase, Progress
from ingest.past.import_request import ImportOrder
from ingest.past.import_run import Reading
from ingest.past.import_state import ImportState, SavedImport, parts_of
from ingest.past.past_event import BrokenLineError, Reader, ReadingOptions
from ingest.past.previous_import import Recognition
from ingest.pipeline.reference import Reference
from ingest.request.client_address import TrustedProxies
from ingest.rows.batch import Flush

SLICE_RECORDS: Final = 16
"""Records handled between two checkpoints: one to two milliseconds."""


class ImportMistakeError(Exception):
    """The import cannot be done as it was asked for; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an import works with, in a server or in a command's own process.

    Attributes:
        reference: Sites and places; its salts are not used.
        files: Where imports are remembered.
        clock: Tells the time.
        proxies: Whose word on the visitor's address is believed.
        session_seconds: Silence after which a visit is over.
        outlet: To the writer; a job uses a clone of it.
        receipts: Tell what the writer has stored.
        stored: Finds out what the store has already.
        rest: Seconds to leave to others for each second of work.
    """

    reference: Reference
    files: ImportFiles
    clock: Clock
    proxies: TrustedProxies
    session_seconds: int
    outlet: trio.MemorySendChannel[Flush]
    receipts: Receipts
    stored: StoredRows
    rest: float = 0.0


class ImportJob:
    """Owns an import under way: the file, the visits, the batch that is gathered.

    Nothing happens but in `advance`, which works for a while and returns: who calls it decides how
    long the import lives. It may be dropped at any moment, also by `kill -9`: the next job for the
    same file goes on behind the last batch that was handed over. The rows of that one are in the
    state file before the store is given them, so they are the same when they are repeated, and the
    store is asked whether it has them.

    While one batch is being stored the next is gathered.
    """

    @classmethod
    async def begin(cls, order: ImportOrder, around: Surroundings) -> "ImportJob":
        """Open the files and tell their format.

        Args:
            order: What is wanted.
            around: What it works with.

        Raises:
            ImportMistakeError: They cannot be read, or are nothing that can be imported.
        """
        site = order.selection.site
        if site is not None and around.reference.site(site) is None:
            raise ImportMistakeError(f"{site} is none of the sites in the sites file")
        options = ReadingOptions(
            received=around.clock.seconds(),
            site=site,
            proxies=around.proxies,
            with_not_found=order.selection.with_not_found,
        )
        try:
            source = await trio.to_thread.run_sync(Source, order.paths)
            sample = await trio.to_thread.run_sync(source.sample)
            form = find_format(sample, options, order.form)
            reader = make_reader(form, options, sample[0])
        except SourceError as error:
            raise ImportMistakeError(str(error)) from None
        except (UnknownFormatError, BrokenLineError) as error:
            raise ImportMistakeError(f"{order.paths[0]}: {error}") from None
        known = [] if order.anew else await trio.to_thread.run_sync(_known, around.files)
        return cls(order, around, source, form, reader, known)

    def __init__(
        self,
        order: ImportOrder,
        around: Surroundings,
        source: Source,
        form: Format,
        reader: Reader,
        known: list[ImportState],
    ) -> None:
        """Own the source until `close`.

        Args:
            order: What is wanted.
            around: What it works with.
            source: The files.
            form: Their format.
            reader: Of that format.
            known: Imports of before.
        """
        self._order, self._around, self._source = order, around, source
        self._form, self._reader = form, reader
        self._outlet = around.outlet.clone()
        site = order.selection.site
        self._recognition = Recognition(
            [state for state in known if state.form is form and state.selection.site == site]
        )
        self._started = trio.current_time()
        self._step: Callable[[float], Awaitable[None]] | None = self._recognise
        self._phase = Phase.CHECKING
        self._reading: Reading | None = None
        self._records: Iterator[tuple[bytes, int]] = iter(())
        self._problem: SourceError | None = None
        self._ended = self._stopping = False
        self._unsaved: SavedImport | None = None
        self._ready: Flush = ()
        self._receipt: tuple[str, trio.Event] | None = None

    async def advance(self, seconds: float) -> Progress:
        """Work for about that long.

        Raises:
            ImportMistakeError: The import cannot go on; what was handled before is stored.
        """
        deadline = trio.current_time() + seconds
        while self._step is not None and trio.current_time() < deadline:
            await self._step(deadline)
        return self.progress()

    def progress(self) -> Progress:
        """How far it is."""
        reading = self._reading
        return Progress(
            id="" if reading is None or self._order.dry_run else reading.id,
            phase=self._phase,
            form=self._form.value,
            done=min(self._source.done, self._source.total),
            total=self._source.total,
            counts=Counts() if reading is None else copy.deepcopy(reading.counts),
            earlier_lines=0 if reading is None else reading.earlier_lines,
            seconds=self._seconds(),
            notes=() if reading is None else tuple(reading.notes),
        )

    @property
    def id(self) -> str:
        """Of the import; empty while it is not known."""
        return "" if self._reading is None else self._reading.id

    def stop(self) -> None:
        """Have what was handled stored, and nothing more."""
        self._stopping = True
        if self._reading is None or self._step in (self._skip, self._repeat):
            self._step, self._phase = None, Phase.STOPPED

    def close(self) -> None:
        """Let go of the file and the channel. Nothing is lost by it at any time."""
        self._outlet.close()
        if self._receipt is not None:
            self._around.receipts.forget(self._receipt[0])
        self._source.close()

    # What follows are the steps. Each does a little, and says which one is next.

    async def _recognise(self, _: float) -> None:
        """Find out whether the file was imported before."""
        if not self._recognition.finished:
            piece = await self._read_piece()
            if piece:
                self._recognition.feed(piece)
            else:
                self._recognition.end()
            return
        self._reading = await self._reading_of(self._recognised())
        self._problem = None
        await trio.to_thread.run_sync(self._source.rewind)
        self._phase, self._step = Phase.READING, self._skip

    def _recognised(self) -> ImportState | None:
        found, changed = self._recognition.found, self._recognition.changed
        path = self._order.paths[0]
        if found is None and changed is not None:
            raise ImportMistakeError(
                f"{path} begins like the file of import {changed.id}, but differs from what was "
                "imported of that; --again imports it as another file"
            )
        if found is not None and found.selection != self._order.selection:
            raise ImportMistakeError(
                f"{path} was imported before with another choice of events (import {found.id}); "
                "--again imports it once more"
            )
        return found

    async def _reading_of(self, found: ImportState | None) -> Reading:
        try:
            saved = None if found is None else await self._in_thread_load(found.id)
        except (OSError, ValueError) as error:
            raise ImportMistakeError(f"the import cannot go on: {error}") from None
        return Reading(
            self._reader,
            self._form,
            self._order.selection,
            self._around.session_seconds,
            self._around.clock.now(),
            saved,
        )

    async def _in_thread_load(self, import_id: str) -> SavedImport:
        return await trio.to_thread.run_sync(self._around.files.load, import_id)

    async def _skip(self, _: float) -> None:
        """Read again what earlier runs have handled."""
        reading = self._read_so_far()
        if reading.position < reading.first_position:
            piece = await self._read_piece()
            if not piece:
                shorter = f"{self._order.paths[0]} has become shorter"
                raise ImportMistakeError(str(self._problem or shorter))
            self._records = reading.skip(piece)
            return
        if not reading.first_is_as_expected:
            raise ImportMistakeError(f"{self._order.paths[0]} has changed while it was read")
        self._ready = () if self._order.dry_run else reading.repeated
        self._step = self._repeat if self._ready else self._read

    async def _repeat(self, deadline: float) -> None:
        """Look whether the store has the batch that an earlier run may have handed over."""
        missing = await self._around.stored.missing(self._ready, deadline)
        if missing is None:
            self._phase = Phase.WAITING
            return
        self._ready, self._step = missing, self._hand_over

    async def _read(self, _: float) -> None:
        """Handle a few records."""
        reading = self._read_so_far()
        self._phase = Phase.READING
        if self._stopping or self._ended or reading.batch_is_full:
            await self._cut(reading)
            return
        began = time.perf_counter()
        reference = reading.salted(self._around.reference)
        taken = reading.take(islice(self._records, SLICE_RECORDS), reference)
        await self._rest(time.perf_counter() - began)
        if taken:
            return
        piece = await self._read_piece()
        if piece:
            self._records = reading.feed(piece)
        else:
            may_go_on = self._order.growing or self._problem is not None
            reading.take_last_line(reference, may_go_on=may_go_on)
            self._ended = True

    async def _cut(self, reading: Reading) -> None:
        """Close the batch, and have it handed over."""
        self._step = self._hand_over
        if self._order.dry_run:
            reading.discard()
        elif reading.has_uncut:
            now = self._around.clock.now()
            self._unsaved, self._ready = reading.cut(now, self._seconds())

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
        reading = self._read_so_far()
        if not await self._settled(deadline):
            return
        done = self._ended and self._problem is None
        if not self._order.dry_run and reading.position:
            keep = self._order.growing or not done
            now = self._around.clock.now()
            await self._save(reading.finish(now, self._seconds(), done=done, keep=keep))
        self._step = None
        if self._problem is not None:
            raise ImportMistakeError(
                f"{self._problem}; what was before is stored, up to line {reading.counts.lines}"
            )
        nothing_new = reading.was_done and reading.position == reading.first_position
        self._phase = Phase.KNOWN if nothing_new else Phase.FINISHED if done else Phase.STOPPED

    # What the steps share.

    def _read_so_far(self) -> Reading:
        assert self._reading is not None, "the first step makes it"  # noqa: S101
        return self._reading

    async def _read_piece(self) -> bytes:
        try:
            return await trio.to_thread.run_sync(self._source.read, abandon_on_cancel=True)
        except SourceError as error:
            self._problem = error
            return b""

    async def _settled(self, deadline: float) -> bool:
        """Whether the batch that was handed over is stored; waits for it until the deadline."""
        if self._receipt is None:
            return True
        with trio.move_on_at(deadline):
            await self._receipt[1].wait()
        if not self._receipt[1].is_set():
            self._phase = Phase.WAITING
            return False
        self._receipt = None
        return True

    async def _send(self, flush: Flush, deadline: float) -> bool:
        """Hand a batch to the writer, if that is free before the deadline."""
        receipt = flush[0].receipt or ""
        self._receipt = receipt, self._around.receipts.expect(receipt)
        with trio.move_on_at(deadline):
            await self._outlet.send(flush)
            return True
        self._around.receipts.forget(receipt)
        self._receipt = None
        self._phase = Phase.WAITING
        return False

    async def _save(self, saved: SavedImport) -> None:
        parts: list[bytes] = []
        began = time.perf_counter()
        for part in parts_of(saved):
            parts.append(part)
            await self._rest(time.perf_counter() - began)
            began = time.perf_counter()
        save, content = self._around.files.save, b"".join(parts)
        try:
            await trio.to_thread.run_sync(save, saved.state.id, content)
        except OSError as error:
            raise ImportMistakeError(
                f"cannot write down how far the import is: {error.strerror}"
            ) from None

    async def _rest(self, worked: float) -> None:
        if self._around.rest:
            await trio.sleep(worked * self._around.rest)
        else:
            await trio.lowlevel.checkpoint()

    def _seconds(self) -> float:
        return trio.current_time() - self._started


def _known(files: ImportFiles) -> list[ImportState]:
    return list(files.states())

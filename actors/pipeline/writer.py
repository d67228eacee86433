"""Stores flushes, one insert at a time, until the store has them."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
import trio
from msgspec.structs import replace

from actors.journal.journal import Journal
from actors.letters.dead_letters import DeadLetters
from actors.pipeline.receipts import Receipts
from actors.stores.store import RowsRefused, Store, StoreError, StoreUnavailable
from actors.supervision.actor import Actor
from actors.supervision.traces import Outcome, Tracing
from ingest.rows.batch import Flush, Insert
from ingest.rows.layout import Row
from ingest.rows.schema import TABLES
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

INSERT_SECONDS = 60.0
"""How long one insert may take before its outcome counts as unknown and it is tried again."""

BREAKS_AFTER = 3
"""Failures in a row after which the circuit is open: no rows are sent to the store before it has
given a sign of life."""

PROBE_SECONDS = 5.0
"""How long a sign of life is waited for."""

LETTERS_PER_INSERT = 16
"""Refused rows singled out of one insert; when there are more, the rest is set aside unsplit, since
then it is the table rather than a row that is at fault."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How long to wait before an insert is tried again.

    Attributes:
        first: Seconds before the first retry; doubled for each that follows.
        longest: Seconds, the limit of that doubling.
    """

    first: float = 0.25
    longest: float = 30.0

    def delay(self, failures: int, jitter: float) -> float:
        """Seconds to wait after that many failures in a row; `jitter` from 0 to 1."""
        return min(self.first * (1 << min(failures - 1, 30)), self.longest) * (0.5 + jitter / 2)


class Writer(Actor):
    """The actor that owns the flushes on their way into the store; the only one that inserts.

    Receives flushes and inserts them in order. While the store is unavailable it tries again, with
    the same rows and the same token, so that an insert whose outcome was unknown is not doubled;
    after a few failures it only asks for a sign of life until there is one. The journal is told
    what is stored. Rows that the store refuses for good are split until the bad ones are found;
    those become dead letters and the others are stored. A restart goes on with the insert that was
    under way.
    """

    name = "writer"
    longest_wait = INSERT_SECONDS + PROBE_SECONDS

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Flush],
        store: Store,
        journal: Journal,
        letters: DeadLetters,
        metrics: Metrics,
        *,
        receipts: Receipts | None = None,
        opened: bool = True,
        retry: Retry | None = None,
        jitter: Callable[[], float] = random.random,
        tracing: Tracing | None = None,
    ) -> None:
        """Own the channel half until `close`; the store stays the caller's.

        Args:
            inbox: Flushes from the batcher, the tally, the replay and imports.
            store: Where rows go.
            journal: Told which events' rows are stored, or kept as dead letters.
            letters: Takes rows that the store refuses.
            metrics: Shows inserts and failures.
            receipts: Told which of the flushes are stored that somebody waits for.
            opened: Whether the store has been opened; otherwise that is tried until it succeeds.
            retry: How long to wait between attempts.
            jitter: Gives numbers from 0 to 1.
            tracing: Told of each attempt to insert; None: nobody is.
        """
        self._inbox = inbox
        self._store = store
        self._journal = journal
        self._letters = letters
        self._metrics = metrics
        self._receipts = Receipts() if receipts is None else receipts
        self._retry = retry or Retry()
        self._jitter = jitter
        self._tracing = tracing
        self._opened = opened
        self._inserts: deque[Insert] = deque()
        self._set_aside_inserts: list[Insert] = []
        self._singled_out: dict[str, int] = {}
        self.failures = 0
        self.last_error = ""

    @property
    def pending(self) -> int:
        """Rows taken over that the store has not acknowledged."""
        return sum(len(insert.rows) for insert in self._inserts)

    @property
    def has_work(self) -> bool:
        """Whether there are rows to be stored."""
        return bool(self._inserts)

    async def run(self) -> None:
        """Insert until there are no more flushes to come and all are stored."""
        while not self._opened:
            await self._open()
        while True:
            while self._inserts:
                await self._store_or_set_aside(self._inserts[0])
            try:
                self._inserts.extend(await self._inbox.receive())
            except trio.EndOfChannel:
                await self._letters.written()
                if not self._inserts:
                    return

    async def _open(self) -> None:
        """Reach a store that could not be reached when the server started."""
        try:
            await self._store.open()
        except StoreError as error:
            await self._back_off(error)
        else:
            self._opened = True
            self._recovered()

    @property
    def circuit(self) -> str:
        """Whether inserts go to the store: `closed` if so, `open` while it is only probed."""
        return "open" if self.failures >= BREAKS_AFTER else "closed"

    async def _store_or_set_aside(self, insert: Insert) -> None:
        """Bring one insert to its end, and only then out of the queue."""
        started = trio.current_time()
        try:
            if self.circuit == "open":
                with trio.fail_after(PROBE_SECONDS):
                    await self._store.ping()
            await self._attempt(insert)
        except (StoreUnavailable, trio.TooSlowError) as error:
            self._metrics.flush_failures.labels(insert.table, "unavailable").inc()
            self._trace(insert, "unavailable", started)
            await self._back_off(error)
        except RowsRefused as error:
            self._trace(insert, "refused", started)
            if not self._isolate(insert, error):
                await self._back_off(error)
        else:
            self._trace(insert, "stored", started)
            self._inserts.popleft()
            self._recovered()
            self._finish(insert)

        self.progress += 1

    def _trace(self, insert: Insert, outcome: Outcome, started: float) -> None:
        if self._tracing is not None:
            self._tracing.inserted(insert, outcome, trio.current_time() - started)

    async def _attempt(self, insert: Insert) -> None:
        started = trio.current_time()
        table = TABLES[insert.table]
        rows: Sequence[Row] = insert.rows
        with trio.fail_after(INSERT_SECONDS):
            if insert.attempted:
                rows = await self._store.missing(table, rows)
            self._inserts[0] = replace(insert, attempted=True)
            if rows:
                await self._store.insert(table, rows, insert.token)
        seconds = trio.current_time() - started
        self._metrics.observe_insert(insert.table, len(insert.rows), seconds)

    def _recovered(self) -> None:
        if self.failures:
            log.info("store is back", failures=self.failures)
        self.failures, self.last_error = 0, ""

    async def _back_off(self, error: Exception) -> None:
        self.progress += 1
        self.failures += 1
        self.last_error = str(error) or type(error).__name__
        delay = self._retry.delay(self.failures, self._jitter())
        log.warning(
            "store unavailable, will try again",
            rows=self.pending,
            failures=self.failures,
            seconds=round(delay, 2),
            error=self.last_error,
        )
        await trio.sleep(delay)

    def _isolate(self, insert: Insert, error: RowsRefused) -> bool:
        """Split what the store refuses, or set it aside when it cannot be split.

        Returns:
            False when it cannot be set aside now: then it stays in the queue.
        """
        self._metrics.flush_failures.labels(insert.table, "refused").inc()
        batch = insert.token.partition(".")[0]
        singled_out = self._singled_out.get(batch, 0)
        if len(insert.rows) > 1 and singled_out < LETTERS_PER_INSERT:
            # Nothing of it is stored, but an earlier process may have stored these very halves.
            self._inserts.popleft()
            self._inserts.extendleft(reversed(insert.halves()))
            return True
        self._inserts.popleft()
        if not self._set_aside(insert, str(error)):
            self._inserts.appendleft(insert)
            return False
        self._singled_out[batch] = singled_out + 1
        if not self._inserts:
            self._singled_out.clear()
        return True

    def _set_aside(
        self, insert: Insert, error: Exception | str | None, *, redrive: bool = False
    ) -> bool:
        """Keep an insert as a letter.

        When the letter cannot be written after all, the insert is tried again.

        Returns:
            False when there are too many letters.
        """
        kept = replace(insert, letter=None, end=None, trigger=None, receipt=None)
        # After a crash the same rows may be refused again.
        key = None if insert.end is None and insert.receipt is None else insert.token

        def tell(kept: bool) -> None:
            self._set_aside_inserts.remove(insert)
            if kept:
                self._finish(insert)
            else:
                self._inserts.append(insert)

        self._set_aside_inserts.append(insert)
        if not self._letters.keep(self.name, kept, error, redrive=redrive, key=key, told=tell):
            self._set_aside_inserts.remove(insert)
            return False
        return True

    def _finish(self, insert: Insert) -> None:
        """Tell where the rows came from that all of them have found a place."""
        others = (*self._inserts, *self._set_aside_inserts)
        if insert.end is not None and all(other.end != insert.end for other in others):
            self._journal.acknowledge(insert.end)
        if insert.receipt is not None and all(other.receipt != insert.receipt for other in others):
            self._receipts.give(insert.receipt)
        if insert.letter is not None and all(other.letter != insert.letter for other in others):
            self._letters.settle(insert.letter)

    def failed(self, error: Exception) -> None:
        """Set the insert aside that was under way."""
        if self._inserts:
            insert = self._inserts.popleft()
            if not self._set_aside(insert, error):
                self._inserts.appendleft(insert)

    async def give_up(self) -> None:
        """Keep all inserts to come on disk; the next process stores them."""
        while True:
            self.spill()
            try:
                self._inserts.extend(await self._inbox.receive())
            except trio.EndOfChannel:
                return

    def spill(self, flushes: Iterable[Flush] = ()) -> int:
        """Queue what is not yet stored as letters, for the next process to store.

        Args:
            flushes: More that could not be handed over.

        Returns:
            How many rows were kept.
        """
        self._inserts.extend(insert for flush in flushes for insert in flush)
        rows = 0
        while self._inserts:
            insert = self._inserts.popleft()
            if insert.end is not None and self._journal.durable:
                continue  # the journal has it
            if insert.receipt is not None:
                continue  # its sender has it
            rows += len(insert.rows)
            self._set_aside(insert, "not stored at shutdown", redrive=True)
        return rows

    def close(self) -> None:
        """Close the channel half."""
        self._inbox.close()

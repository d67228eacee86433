"""Stores flushes, one insert at a time, until the store has them."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
import trio
from msgspec.structs import replace

from actors.letters.dead_letters import DeadLetters
from actors.pipeline.flush import Flush
from actors.stores.store import RowsRefused, Store, StoreError, StoreUnavailable
from actors.supervision.actor import Actor
from actors.supervision.traces import Outcome, Tracing
from ingest.rows.batch import Insert
from ingest.rows.layout import Row
from ingest.rows.schema import TABLES
from ingest.telemetry.logs import stack_of
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
    """The actor that owns the flush on its way into the store; the only one that inserts.

    Receives flushes and stores them in order, insert by insert. While the store is unavailable it
    tries again, with the same rows and the same token, so that an insert whose outcome was unknown
    is not doubled; after a few failures it only asks for a sign of life until there is one. Rows
    that the store refuses for good are split until the bad ones are found; those become dead
    letters and the others are stored. A restart goes on with the insert that was under way.
    """

    name = "writer"
    longest_wait = INSERT_SECONDS + PROBE_SECONDS

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Flush],
        store: Store,
        letters: DeadLetters,
        metrics: Metrics,
        *,
        opened: bool = True,
        retry: Retry | None = None,
        jitter: Callable[[], float] = random.random,
        tracing: Tracing | None = None,
    ) -> None:
        """Own the channel half until `close`; the store stays the caller's.

        Args:
            inbox: Flushes from batchers, the redrive of letters, and imports.
            store: Where rows go.
            letters: Takes rows that the store refuses.
            metrics: Shows inserts and failures.
            opened: Whether the store has been opened; otherwise that is tried until it succeeds.
            retry: How long to wait between attempts.
            jitter: Gives numbers from 0 to 1.
            tracing: Told of each attempt to insert; None: nobody is.
        """
        self._inbox = inbox
        self._store = store
        self._letters = letters
        self._metrics = metrics
        self._retry = retry or Retry()
        self._jitter = jitter
        self._tracing = tracing
        self._opened = opened
        self._flush: Flush | None = None
        self._inserts: deque[Insert] = deque()
        self._singled_out: dict[str, int] = {}
        self.failures = 0
        self.last_error = ""

    @property
    def pending(self) -> int:
        """Rows taken over that the store has not acknowledged."""
        return sum(len(insert.rows) for insert in self._inserts)

    @property
    def has_work(self) -> bool:
        """Whether a flush is under way."""
        return self._flush is not None

    def status(self) -> dict[str, object]:
        """What readiness says of the store."""
        return {
            "status": "degraded" if self.failures else "ok",
            "kind": self._store.name,
            "failures_in_a_row": self.failures,
            "circuit": self.circuit,
            **({"reason": self.last_error} if self.last_error else {}),
        }

    def figures(self) -> dict[str, float]:
        """Its gauges, by the names that `/metrics` gives them."""
        return {"sluice_rows_pending": self.pending}

    async def run(self) -> None:
        """Insert until there are no more flushes to come and all are stored."""
        while not self._opened:
            await self._open()
        while True:
            while self._inserts:
                await self._store_or_set_aside(self._inserts[0])
                self.progress += 1
            self._finish()
            try:
                self._begin(await self._inbox.receive())
            except trio.EndOfChannel:
                return

    def _begin(self, flush: Flush) -> None:
        self._flush = flush
        self._inserts.extend(flush.inserts)
        self._singled_out.clear()

    def _finish(self) -> None:
        """Tell the sender of the flush that all of its rows have found a place."""
        if self._flush is not None:
            self._flush.stored.set()
            self._flush = None

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
            if not await self._isolate(insert, error):
                await self._back_off(error)
        except Exception as error:
            # Not the store's: these rows would fail for ever.
            log.error(
                "insert failed",
                table=insert.table,
                error=type(error).__name__,
                stack=stack_of(error),
            )
            self._trace(insert, "refused", started)
            if await self._set_aside(insert, error):
                self._inserts.popleft()
            else:
                await self._back_off(error)
        else:
            self._trace(insert, "stored", started)
            self._inserts.popleft()
            self._recovered()

    def _trace(self, insert: Insert, outcome: Outcome, started: float) -> None:
        if self._tracing is not None:
            trigger = None if self._flush is None else self._flush.trigger
            self._tracing.inserted(insert, trigger, outcome, trio.current_time() - started)

    async def _attempt(self, insert: Insert) -> None:
        started = trio.current_time()
        table = TABLES[insert.table]
        rows: Sequence[Row] = insert.rows
        with trio.fail_after(INSERT_SECONDS):
            if insert.attempted:
                missing = await self._store.missing(table, rows)
                if missing is not None:
                    rows = missing
                    if rows and table is TABLES["events_v2"]:
                        self._insert_counters()
            self._inserts[0] = replace(insert, attempted=True)
            if rows:
                await self._store.insert(table, rows, insert.token)
        seconds = trio.current_time() - started
        self._metrics.observe_insert(insert.table, len(insert.rows), seconds)

    def _insert_counters(self) -> None:
        """The store misses events of a batch: then it has none of the batch's counters either.

        Nothing tells counter rows apart, so a table that recognises no tokens cannot be asked.
        """
        for number, insert in enumerate(self._inserts):
            if insert.table == "ingest_counters":
                self._inserts[number] = replace(insert, attempted=False)

    def _recovered(self) -> None:
        if self.failures:
            log.info("store is back", failures=self.failures)
        self.failures, self.last_error = 0, ""

    async def _back_off(self, error: Exception) -> None:
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

    async def _isolate(self, insert: Insert, error: RowsRefused) -> bool:
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
        if not await self._set_aside(insert, str(error)):
            return False
        self._inserts.popleft()
        self._singled_out[batch] = singled_out + 1
        return True

    async def _set_aside(self, insert: Insert, error: Exception | str) -> bool:
        """Make a letter of rows.

        Returns:
            Whether it is on disk.
        """
        outcome: list[bool] = []
        # After a crash the same rows may be refused again: the token names the letter.
        key: str | None = insert.token
        letter: str | None = None
        flush = self._flush
        if flush is not None and flush.letter and flush.inserts[0].token == insert.token:
            key, letter = None, flush.letter  # all that was redriven goes into its own letter again
        if not self._letters.keep(
            self.name, insert, error, key=key, letter=letter, told=outcome.append
        ):
            return False
        await self._letters.written()
        return outcome == [True]

    async def give_up(self) -> None:
        """Keep all flushes to come on disk; the next process stores them."""
        while True:
            self.spill()
            try:
                self._begin(await self._inbox.receive())
            except trio.EndOfChannel:
                return

    def spill(self, flushes: Iterable[Flush] = ()) -> int:
        """Keep on disk what is not yet stored, for the next process to store under the same tokens.

        Args:
            flushes: More that could not be handed over.

        Returns:
            How many rows were kept.
        """
        rows = 0
        under_way = () if self._flush is None else (self._flush,)
        for flush in (*under_way, *flushes):
            inserts = list(self._inserts) if flush is self._flush else flush.inserts
            if flush.kept:
                continue
            for insert in inserts:
                rows += len(insert.rows)
                self._letters.keep(
                    self.name, insert, "not stored at shutdown", redrive=True, key=insert.token
                )
        self._flush = None
        self._inserts.clear()
        return rows

    def close(self) -> None:
        """Close the channel half."""
        self._inbox.close()

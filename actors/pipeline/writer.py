"""Stores flushes, one insert at a time, and retries until the store has them."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
import trio
from msgspec.structs import replace

from actors.letters.letters import Letters
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
"""Timeout of an insert; its outcome is then unknown and it is retried."""

BREAKS_AFTER = 3
"""Consecutive failures after which the circuit opens: no rows are sent until the store answers a
probe."""

PROBE_SECONDS = 5.0
"""Timeout of a probe."""

LETTERS_PER_INSERT = 16
"""Maximum number of refused rows isolated from one insert. Beyond it the rest is set aside unsplit,
because then the table is at fault rather than a row."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Delays before an insert is retried.

    Attributes:
        first: Seconds before the first retry; doubled for each further one.
        longest: Upper limit of the delay in seconds.
    """

    first: float = 0.25
    longest: float = 30.0

    def delay(self, failures: int, jitter: float) -> float:
        """Seconds to wait after that many consecutive failures; `jitter` is from 0 to 1."""
        return min(self.first * (1 << min(failures - 1, 30)), self.longest) * (0.5 + jitter / 2)


class Writer(Actor):
    """The only actor that inserts; it owns the flush being stored.

    Receives flushes and stores them in order, insert by insert. While the store is unavailable it
    retries with the same rows and the same token, so an insert of unknown outcome is not doubled.
    After a few failures it only probes the store until it answers. An insert that the store refuses
    is split until the bad rows are found; these become dead letters and the others are stored. A
    restart continues with the current insert.
    """

    name = "writer"
    longest_wait = INSERT_SECONDS + PROBE_SECONDS

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Flush],
        store: Store,
        letters: Letters,
        metrics: Metrics,
        *,
        opened: bool = True,
        retry: Retry | None = None,
        jitter: Callable[[], float] = random.random,
        tracing: Tracing | None = None,
    ) -> None:
        """Own the channel half until `close`; the store stays the caller's.

        Args:
            inbox: Flushes from batchers, and from the redrive of letters.
            store: Where rows go.
            letters: Keep rows that the store refuses.
            metrics: Count inserts and failures.
            opened: Whether the store is open; otherwise the writer tries to open it until it
                succeeds.
            retry: How long to wait between attempts.
            jitter: Returns random numbers from 0 to 1.
            tracing: Receives each insert attempt; None to disable tracing.
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
        """Number of rows received that the store has not acknowledged."""
        return sum(len(insert.rows) for insert in self._inserts)

    @property
    def has_work(self) -> bool:
        """Whether a flush is being stored."""
        return self._flush is not None

    def status(self) -> dict[str, object]:
        """The store's part of the readiness report."""
        return {
            "status": "degraded" if self.failures else "ok",
            "kind": self._store.name,
            "failures_in_a_row": self.failures,
            "circuit": self.circuit,
            **({"reason": self.last_error} if self.last_error else {}),
        }

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
        return {"sluice_rows_pending": self.pending}

    async def run(self) -> None:
        """Insert until no more flushes come and all are stored."""
        while not self._opened:
            await self._open()
        while True:
            while self._inserts:
                if await self._may_store():
                    await self._store_or_set_aside(self._inserts[0])
                else:
                    self._abandon()
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
        """Tell the sender of the flush that all rows are stored or in dead letters."""
        if self._flush is not None:
            self._flush.stored.set()
            self._flush = None

    async def _may_store(self) -> bool:
        lease = None if self._flush is None else self._flush.lease
        return lease is None or await lease.hold()

    def _abandon(self) -> None:
        """Drop the flush of a partition that is lost; its next owner stores the rows."""
        log.info("flush is left to the partition's next owner", rows=self.pending)
        self._flush = None
        self._inserts.clear()

    async def _open(self) -> None:
        """Open a store that was unreachable when the server started."""
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
        """Complete one insert, then remove it from the queue."""
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
            # Not an error of the store: these rows would always fail.
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
        """Allow a batch's counters to be inserted, because the store lacks events of the batch.

        Counters are stored after events, so it does not have them either. Counter rows cannot be
        told apart, so a table that ignores tokens cannot be queried for them.
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
        """Split a refused insert, or set it aside if it cannot be split.

        Returns:
            False if it cannot be set aside now; it then stays in the queue.
        """
        self._metrics.flush_failures.labels(insert.table, "refused").inc()
        batch = insert.token.partition(".")[0]
        singled_out = self._singled_out.get(batch, 0)
        if len(insert.rows) > 1 and singled_out < LETTERS_PER_INSERT:
            # None of its rows are stored now, but an earlier process may have stored these halves.
            self._inserts.popleft()
            self._inserts.extendleft(reversed(insert.halves()))
            return True
        if not await self._set_aside(insert, str(error)):
            return False
        self._inserts.popleft()
        self._singled_out[batch] = singled_out + 1
        return True

    async def _set_aside(self, insert: Insert, error: Exception | str) -> bool:
        """Turn rows into a letter.

        Returns:
            Whether it is on disk.
        """
        outcome: list[bool] = []
        # After a crash the same rows may be refused again, so the letter is named by the token.
        key: str | None = insert.token
        letter: str | None = None
        flush = self._flush
        if flush is not None and flush.letter and flush.inserts[0].token == insert.token:
            key, letter = None, flush.letter  # redriven rows update their own letter
        if not self._letters.keep(
            self.name, insert, error, key=key, letter=letter, told=outcome.append
        ):
            return False
        await self._letters.written()
        return outcome == [True]

    async def give_up(self) -> None:
        """Write all further flushes to disk; the next process stores them."""
        while True:
            self.spill()
            try:
                self._begin(await self._inbox.receive())
            except trio.EndOfChannel:
                return

    def spill(self, flushes: Iterable[Flush] = ()) -> int:
        """Write unstored rows to disk; the next process stores them with the same tokens.

        Args:
            flushes: Further flushes that could not be sent to the writer.

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

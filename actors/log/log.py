"""The log's contract: accepted events in order, by position, until the store has their rows.

`tests/actors/log/checks.py` tests every implementation of `Log`, and `writable_checks.py` beside it
what a `WritableLog` adds.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from actors.log.lease import Lease
from ingest.records.record import Record
from ingest.records.run import LogPoint as LogPoint
from ingest.records.run import Run

TAIL_RECORDS: Final = 16_384
TAIL_BYTES: Final = 16 * 1024 * 1024
"""Size of the newest records that a log serves from memory; older ones are read from disk."""


TOGETHER: Final = 64
"""Records that may be read between two checkpoints of trio's, each of which costs more than a small
run."""


class LogError(Exception):
    """The log cannot append or read records now; the text says why.

    Readers do not see any record of a failed append.
    """


class LogFullError(LogError):
    """The log has reached its limit."""


class LogBrokenError(LogError):
    """The log can no longer be trusted to keep records. Existing records can still be read."""


class Log(ABC):
    """Records in order of their positions, as one fold reads and commits them.

    Attributes:
        id: Prefix of the tokens of batches; unique for each log.
        partition: The cluster's partition that this log holds; 0 in a single process.
        durable: Whether records survive the process.
        needs_sync: Whether records that can be read may be lost by a power failure before a sync.
        first: Position of the first record that can be read.
        end: The point of the next record, as far as is known.
        committed: Everything before it is in the store, or in letters.
        prepared: End of the batch that the store may have; None if there is none. The batch starts
            at `committed`.
        lost: Number of acknowledged events that are missing.
        problem: Why the last write failed; None if it did not.
        lease: The right to store the rows of its records; None if no other process can read them.
    """

    id: str
    partition: int = 0
    durable: bool
    needs_sync: bool = True
    first: int
    end: LogPoint
    committed: LogPoint
    prepared: LogPoint | None = None
    lost: int = 0
    problem: str | None = None
    lease: Lease | None = None

    @abstractmethod
    async def read(self, position: int) -> Run | None:
        """The run that contains a position, from that position on; waits until there is one.

        If records are missing at the position, returns the next run, which starts at a higher
        position. Missing records are added to `lost`.

        Returns:
            None if the position is the end and no record will follow.

        Raises:
            LogError: It cannot be read now.
        """

    @abstractmethod
    async def prepare(self, end: LogPoint, committed: LogPoint) -> None:
        """Record that the store may have the batch from `committed` to `end` from now on.

        When this returns, the note and all records before `end` are synced, unless the setting is
        `never`. A later process ends its first batch at the same point. A broken log keeps the note
        only in memory.

        Raises:
            LogError: It is not recorded, and the batch must not be sent to the store.
        """

    @abstractmethod
    async def commit(self, committed: LogPoint) -> None:
        """Record that the store has everything before a point, and that no batch is prepared.

        The note is synced when this returns, as for `prepare`.

        Raises:
            LogError: It is not recorded. `committed` has advanced nevertheless.
        """

    @abstractmethod
    async def sync(self) -> None:
        """Sync all appended records.

        Raises:
            LogError: The sync failed; recent records may not be durable. The log is broken.
        """

    @abstractmethod
    def retire(self, position: int) -> None:
        """Release records before a position, which are no longer needed. Never raises."""

    @abstractmethod
    def close(self) -> None:
        """Close files and threads. Do not use the log afterwards."""

    @property
    def wants_room(self) -> bool:
        """Whether a checkpoint is needed soon, so that stored records can be released."""
        return False

    @property
    def reclaimable(self) -> bool:
        """Whether a checkpoint would release any records."""
        return False

    @property
    def backlog(self) -> int:
        """Number of events that the store has not acknowledged."""
        return self.end.number - self.committed.number

    @abstractmethod
    def status(self) -> dict[str, object]:
        """The log's part of the readiness report."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""


class WritableLog(Log):
    """A log that this process appends to.

    Attributes:
        source_id: Random, 64 bits; a new one at each start after an unclean shutdown.
        end: Advances when `append` returns.
        broken: Why the log can no longer be trusted; None while it can.
    """

    source_id: int
    broken: str | None = None

    @abstractmethod
    async def append(self, records: Sequence[Record], log_time: int) -> int:
        """Append records, as durably as the setting requires.

        They become visible in `end` and `read` when this returns. Several tasks may append; runs do
        not interleave. If this is cancelled, the records may or may not be kept.

        Args:
            records: At least one.
            log_time: Now, in Unix seconds.

        Returns:
            The position of the first record; the others follow it.

        Raises:
            LogError: The records are not kept.
        """

    @abstractmethod
    def seal(self) -> None:
        """Refuse further records; readers reach the end after the last record."""

    @abstractmethod
    def close(self) -> None:
        """Close files and threads, after `seal`. Do not use the log afterwards.

        If nothing failed, it is marked as cleanly closed, and the next process keeps the source id.
        """

    @property
    @abstractmethod
    def full(self) -> bool:
        """Whether the log refuses records for lack of room."""

    @property
    def accepting(self) -> bool:
        """Whether the log accepts events at all."""
        return not self.full and self.broken is None

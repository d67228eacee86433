"""The log's contract: accepted events in order, by position, until the store has their rows.

`tests/actors/log/checks.py` tests every implementation of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from ingest.records.record import Record
from ingest.records.run import LogPoint as LogPoint
from ingest.records.run import Run

TAIL_RECORDS: Final = 16_384
TAIL_BYTES: Final = 16 * 1024 * 1024
"""How much of its newest records a log serves from memory; older ones are read where they are."""


class LogError(Exception):
    """The log does not take records now, or they cannot be read; the text says why.

    Nothing of what was to be appended is shown to readers.
    """


class LogFullError(LogError):
    """The log has as much as it may have."""


class LogBrokenError(LogError):
    """The log cannot be trusted to keep records any more. What it has can still be read."""


class Log(ABC):
    """Records in order of their positions. One process appends, one fold reads.

    Attributes:
        id: Begins the tokens of batches; no two logs share one.
        source_id: Random, 64 bits; another one after each start that follows an unclean end.
        partition: Which of the cluster's partitions this is; 0 in a single process.
        durable: Whether records outlast the process.
        first: Position of the first record that can be read.
        end: Where the next record goes. Moves when `append` returns.
        committed: Everything before it is in the store, or in letters.
        prepared: Where the batch ends that the store may have; None when there is none. It begins
            at `committed`.
        lost: Acknowledged events that were found missing; their number.
        problem: Why the last attempt to write failed; None when it did not.
        broken: Why the log cannot be trusted any more; None while it can.
    """

    id: str
    source_id: int
    partition: int = 0
    durable: bool
    first: int
    end: LogPoint
    committed: LogPoint
    prepared: LogPoint | None = None
    lost: int = 0
    problem: str | None = None
    broken: str | None = None

    @abstractmethod
    async def append(self, records: Sequence[Record], log_time: int) -> int:
        """Keep records, as durably as the setting says.

        `end` and `read` show them only when this returns. Several tasks may append; each run is
        whole. If this is cancelled, the records may be kept or not.

        Args:
            records: At least one.
            log_time: Now, in Unix seconds.

        Returns:
            The position of the first; those of the others follow it.

        Raises:
            LogError: They are not kept.
        """

    @abstractmethod
    async def read(self, position: int) -> Run | None:
        """The run that holds a position, from there on; waits until there is one.

        When records are missing at the position, it is the next run behind them: it begins at a
        higher position. Missing records are added to `lost`.

        Returns:
            None when the position is the end, and the log is sealed.

        Raises:
            LogError: It cannot be read now.
        """

    @abstractmethod
    async def prepare(self, end: LogPoint, committed: LogPoint) -> None:
        """Note that the store may have the batch from `committed` to `end` from now on.

        When this returns, the note and all records before `end` outlast a loss of power, as far as
        the setting asks for it. A later process cuts its first batch at the same end. On a broken
        log the note is kept in memory only.

        Raises:
            LogError: It is not noted: the batch must not be given to the store.
        """

    @abstractmethod
    async def commit(self, committed: LogPoint) -> None:
        """Note that the store has everything before a point, and that no batch is prepared.

        The note outlasts a loss of power when this returns, as `prepare`'s does.

        Raises:
            LogError: It is not noted. `committed` has moved all the same.
        """

    @abstractmethod
    async def sync(self) -> None:
        """Have all records that were appended outlast a loss of power.

        Raises:
            LogError: The sync failed; recent records may not be durable. The log is broken.
        """

    @abstractmethod
    def retire(self, position: int) -> None:
        """Let go of records before a position, which nobody needs any more. Never raises."""

    @abstractmethod
    def seal(self) -> None:
        """Take no more records; readers see the end when they have read everything."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and threads, after `seal`. The log is not used afterwards.

        If nothing failed, it is marked as cleanly closed: the next process goes on with the same
        source id.
        """

    @property
    @abstractmethod
    def full(self) -> bool:
        """Whether the log refuses records for want of room."""

    @property
    def wants_room(self) -> bool:
        """Whether a checkpoint is wanted soon, so that what is stored can be let go of."""
        return False

    @property
    def reclaimable(self) -> bool:
        """Whether a checkpoint would let go of anything."""
        return False

    @property
    def accepting(self) -> bool:
        """Whether events are to be taken at all."""
        return not self.full and self.broken is None

    @property
    def backlog(self) -> int:
        """Events that the store has not acknowledged."""
        return self.end.number - self.committed.number

    @abstractmethod
    def status(self) -> dict[str, object]:
        """What readiness says of the log."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """Its gauges, by the names that `/metrics` gives them."""

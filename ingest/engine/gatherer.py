"""Gathers the records of a front's log into messages, by partition."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ingest.engine.message import (
    ENTRY_BYTES,
    HEADER_BYTES,
    MESSAGE_BYTES,
    MESSAGE_EVENTS,
    Entry,
    encode_message,
    front_source,
)
from ingest.model.event import EnrichedEvent, Source
from ingest.records.encoding import encode
from ingest.records.record import Description, DropCounts, EndOfSource, MetricCount, Record
from ingest.records.run import Run

_COUNTS_BYTES: Final = MESSAGE_BYTES - HEADER_BYTES - ENTRY_BYTES - 256
"""Maximum size of drop counts in a message, without their source."""

_PIECES: Final = 2**10
"""Numbers reserved for the pieces of one record of drop counts."""


class GatheredMessage(NamedTuple):
    """A message that is ready to be sent.

    Attributes:
        partition: Where it goes.
        data: Its bytes.
        first: Position of its first record in the front's log.
        last: Position of its last record.
        events: How many of its records are events.
    """

    partition: int
    data: bytes
    first: int
    last: int
    events: int


class _Pending:
    """The records of a partition that are not yet a message."""

    __slots__ = ("entries", "events", "size")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.events = 0
        self.size = HEADER_BYTES


class Gatherer:
    """The records of one source that wait to become messages.

    Events go to their partition, ends of sources to all partitions, and drop counts to one.
    Descriptions stay in the front's log, because the cluster has its own.

    Attributes:
        source_id: Of the front's log that the waiting records come from.
    """

    def __init__(self, partitions: int) -> None:
        """Start without records.

        Args:
            partitions: Number of partitions of the topic.
        """
        self.source_id = 0
        self._partitions = partitions
        self._pending: dict[int, _Pending] = {}

    @property
    def first(self) -> int | None:
        """The lowest position that waits; None if no record waits."""
        return min((pending.entries[0][0] for pending in self._pending.values()), default=None)

    @property
    def events(self) -> int:
        """How many events wait."""
        return sum(pending.events for pending in self._pending.values())

    def add_run(self, run: Run) -> list[GatheredMessage]:
        """Add the records of a run.

        Returns:
            The messages that this finished, in the order in which they are to be sent.
        """
        finished: list[GatheredMessage] = []
        if run.source_id != self.source_id:
            finished += self.take_all()
            self.source_id = run.source_id
        for position, record in enumerate(run.records, run.first):
            if type(record) is EnrichedEvent:
                # The modulo is for redriven letters of a cluster that had more partitions.
                self._add(record.partition % self._partitions, position, record, 1, finished)
            else:
                for partition, part in self._spread(position, record):
                    self._add(partition, position, part, 0, finished)
        return finished

    def take_all(self) -> list[GatheredMessage]:
        """All waiting records as messages."""
        taken = [self._finish(partition, pending) for partition, pending in self._pending.items()]
        self._pending.clear()
        return taken

    def _add(
        self,
        partition: int,
        position: int,
        record: Record,
        events: int,
        finished: list[GatheredMessage],
    ) -> None:
        form, body = encode(record)
        size = ENTRY_BYTES + len(body)
        pending = self._pending.get(partition)
        if pending is None:
            pending = self._pending[partition] = _Pending()
        elif pending.size + size > MESSAGE_BYTES:
            finished.append(self._finish(partition, pending))
            pending = self._pending[partition] = _Pending()
        entries = pending.entries
        entries.append((position, form, body))
        pending.events += events
        pending.size += size
        if len(entries) == MESSAGE_EVENTS:
            finished.append(self._finish(partition, pending))
            del self._pending[partition]

    def _finish(self, partition: int, pending: _Pending) -> GatheredMessage:
        entries = pending.entries
        data = encode_message(self.source_id, entries)
        return GatheredMessage(partition, data, entries[0][0], entries[-1][0], pending.events)

    def _spread(self, position: int, record: Record) -> Iterator[tuple[int, Record]]:
        """The partitions of a record that is no event, and what each gets."""
        match record:
            case EndOfSource():
                for partition in range(self._partitions):
                    yield partition, record
            case DropCounts():
                for piece in self._pieces(position, record):
                    yield position % self._partitions, piece
            case Description():
                pass

    def _pieces(self, position: int, record: DropCounts) -> Iterator[DropCounts]:
        """Drop counts in pieces that fit into messages.

        All pieces have the same position. So they get a source with numbers of their own: with the
        front's number, workers would take only the first.
        """
        slices = list(_slices(record.counts))
        if len(slices) == 1:
            yield record
            return
        source = record.source or Source(front_source(self.source_id), position + 1)
        for index, counts in enumerate(slices):
            number = source.number * _PIECES + index
            yield DropCounts(tuple(counts), Source(f"{source.name}:pieces", number))


def _slices(counts: Sequence[MetricCount]) -> Iterator[Sequence[MetricCount]]:
    """Slices of counts, each of which fits into a message."""
    if len(counts) > 1 and len(encode(DropCounts(tuple(counts)))[1]) > _COUNTS_BYTES:
        middle = len(counts) // 2
        yield from _slices(counts[:middle])
        yield from _slices(counts[middle:])
    else:
        yield counts

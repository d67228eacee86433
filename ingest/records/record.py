"""The records of the log: events, counts of drops, ends of sources, and descriptions.

Each record is written as an array that starts with the number of its kind. Fields may be added at
the end, with a default. Any other change needs a new `VERSION` in `ingest.records.run`.
"""

from typing import Final

import msgspec

from ingest.model.event import EnrichedEvent, Source

EXPIRY_MARGIN_SECONDS: Final = 60
"""How much longer than its timeout a session is kept in a single process, by the log's time."""


class MetricCount(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How often a metric of `ingest_counters` was counted (spec/schema.md §3).

    Attributes:
        minute: When the events were received, Unix seconds, whole minutes.
        domain: As sent.
        site_id: The domain's site; None when it is not registered.
        metric: `buffered` or `dropped_<reason>`.
        tracker_version: The script's version, 0 when unknown.
        events: How many.
    """

    minute: int
    domain: str
    site_id: int | None
    metric: str
    tracker_version: int
    events: int


class DropCounts(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """Counts of events that were dropped before the log.

    Attributes:
        counts: One for each metric.
        source: Who produced them; None when this log's process counted them itself.
    """

    counts: tuple[MetricCount, ...]
    source: Source | None = None


class EndOfSource(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """No session of a source goes on, so all can be forgotten.

    Attributes:
        name: The source's.
        number: The highest number of its records. If one above it was taken, the source has gone on
            since, and this record was sent twice. 0 if it is not known.
    """

    name: str
    number: int = 0


class Description(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """Parameters for all records after it; the first record of every segment.

    Attributes:
        session_seconds: Seconds without events after which a session ends.
        margin_seconds: How much longer a session is kept, by the log's time.
        rules: Version of the rules that assign events to sessions. The rules change only at a
            description.
    """

    session_seconds: int
    margin_seconds: int = EXPIRY_MARGIN_SECONDS
    rules: int = 1


Record = EnrichedEvent | DropCounts | EndOfSource | Description

"""What the log keeps: events, counts of drops, ends of sources, and descriptions of the log.

Each record is written as an array that begins with a number for its kind. Fields may be added at
the end, with a default; what cannot be read that way needs a new `VERSION` of the run's form
(`ingest.records.run`).
"""

from typing import Final

import msgspec

from ingest.model.event import EnrichedEvent

EXPIRY_MARGIN_SECONDS: Final = 60
"""How much longer than its timeout a visit is kept in a single process, by the log's time."""


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
    """Events that were dropped in front of the log.

    Attributes:
        counts: A metric each, all of drops.
    """

    counts: tuple[MetricCount, ...]


class EndOfSource(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """No more records of a source will come; what was remembered of it can go.

    Attributes:
        name: The source's.
    """

    name: str


class Description(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """What holds for all records behind it; the first record of every segment.

    Attributes:
        session_seconds: Seconds of silence after which a visit is over.
        margin_seconds: How much longer a visit is kept, by the log's time.
        rules: Version of the rules by which events make visits. They change only here.
    """

    session_seconds: int
    margin_seconds: int = EXPIRY_MARGIN_SECONDS
    rules: int = 1


Record = EnrichedEvent | DropCounts | EndOfSource | Description

"""What the fold makes of a run of records."""

from collections.abc import Sequence

import msgspec

from ingest.records.run import LogPoint
from ingest.rows.batch import CounterKey
from ingest.rows.layout import EventRows


class FoldedRun(msgspec.Struct, frozen=True, gc=False):
    """The rows of a run.

    Attributes:
        start: The place in the log before the run.
        end: The place behind it.
        rows: Of its accepted events, in order.
        counters: What it adds to counters.
    """

    start: LogPoint
    end: LogPoint
    rows: Sequence[EventRows]
    counters: Sequence[tuple[CounterKey, int]]

"""The fold's result for a run of records."""

from collections.abc import Sequence

import msgspec

from ingest.records.run import LogPoint
from ingest.rows.batch import CounterKey
from ingest.rows.layout import EventRows


class FoldedRun(msgspec.Struct, frozen=True, gc=False):
    """The rows of a run.

    Attributes:
        start: The point in the log before the run.
        end: The point after the run.
        rows: The rows of its accepted events, in order.
        counters: Increments of counters.
    """

    start: LogPoint
    end: LogPoint
    rows: Sequence[EventRows]
    counters: Sequence[tuple[CounterKey, int]]

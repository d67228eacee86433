"""Records for tests of logs."""

from ingest.model.event import Attribution, Device, EnrichedEvent, Place, Visitor
from ingest.records.record import Description, DropCounts, EndOfSource, MetricCount, Record
from ingest.records.run import Run
from tests.examples import NOON

DESCRIPTION = Description(session_seconds=1800)
COUNTS = DropCounts((MetricCount(NOON, "example.com", 1, "dropped_throttle", 36, 4),))
END_OF_SOURCE = EndOfSource("import:1")


def an_event(number: int = 0, pathname: str = "/") -> EnrichedEvent:
    """One whose nonce tells which it is."""
    return EnrichedEvent(
        domain="example.com",
        tracker_version=0,
        site_id=1,
        visitor=Visitor(1001, None),
        timestamp=NOON,
        received=NOON,
        name="pageview",
        hostname="example.com",
        pathname=pathname,
        props=(),
        interactive=True,
        scroll_depth=0,
        engagement_time=0,
        place=Place(),
        device=Device(browser="Chrome"),
        attribution=Attribution(),
        revenue=None,
        nonce=number,
    )


def events(first: int, last: int) -> list[Record]:
    """Events with numbers from `first` to before `last`."""
    return [an_event(number) for number in range(first, last)]


def numbers(run: Run) -> list[int]:
    """The numbers of the events in a run."""
    return [record.nonce for record in run.records if isinstance(record, EnrichedEvent)]

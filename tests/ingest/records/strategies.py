"""Random records."""

from hypothesis import strategies as st

from ingest.model.event import (
    Attribution,
    Device,
    EnrichedEvent,
    Place,
    RevenueAmounts,
    Source,
    Visitor,
)
from ingest.records.record import Description, DropCounts, EndOfSource, MetricCount

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
IDS = st.integers(0, 2**64 - 1)
SECONDS = st.integers(0, 2**32 - 1)
AMOUNTS = st.decimals(-(10**12), 10**12, places=3)

EVENTS = st.builds(
    EnrichedEvent,
    domain=TEXTS,
    tracker_version=st.integers(0, 65_535),
    site_id=IDS,
    visitor=st.builds(Visitor, IDS, st.none() | IDS),
    timestamp=SECONDS,
    received=SECONDS,
    name=TEXTS,
    hostname=TEXTS,
    pathname=TEXTS,
    props=st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple),
    interactive=st.booleans(),
    scroll_depth=st.integers(0, 255),
    engagement_time=SECONDS,
    place=st.builds(Place, TEXTS, TEXTS, TEXTS, SECONDS),
    device=st.builds(Device, *[TEXTS] * 5),
    attribution=st.builds(Attribution, *[TEXTS] * 9),
    revenue=st.none() | st.builds(RevenueAmounts, AMOUNTS, TEXTS, st.none() | AMOUNTS, TEXTS),
    nonce=IDS,
    partition=st.integers(0, 4095),
    source=st.none() | st.builds(Source, TEXTS, IDS),
)
COUNTS = st.builds(MetricCount, SECONDS, TEXTS, st.none() | IDS, TEXTS, SECONDS, IDS)
RECORDS = st.one_of(
    EVENTS,
    st.lists(COUNTS, max_size=3).map(tuple).map(DropCounts),
    st.builds(EndOfSource, TEXTS, IDS),
    st.builds(Description, SECONDS, SECONDS, SECONDS),
)

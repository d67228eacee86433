"""What a worker's folds count; what they do is tested by `test_crashes.py`."""

import pytest

from actors.cluster.partition_folds import FoldMetrics
from ingest.model.verdict import NO_SESSION
from ingest.sites.site import unregistered_site_id
from ingest.telemetry.metrics import Metrics
from tests.examples import an_enriched_event


@pytest.mark.parametrize(
    ("site_id", "label"),
    [(1, "example.com"), (unregistered_site_id("example.com"), "(unknown)")],
    ids=["a registered site", "another site that fronts accept"],
)
def test_drops_are_counted_by_site(site_id: int, label: str) -> None:
    metrics = Metrics(lambda domain: True)
    event = an_enriched_event(domain="example.com", site_id=site_id)
    FoldMetrics(metrics).folded(1, {0: (event, NO_SESSION)})
    line = f'sluice_events_dropped_total{{reason="no_session_for_engagement",site="{label}"}} 1.0'
    assert line in metrics.exposition().decode().splitlines()

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from ingest.telemetry import plain_metrics
from ingest.telemetry.plain_metrics import PlainCounter, PlainHistogram

BUCKETS = (0.0005, 0.25, 1.0, 5.0)


@pytest.mark.parametrize("gathered", [1, 2, 1000])
def test_shown_as_prometheus_own_are(monkeypatch: pytest.MonkeyPatch, gathered: int) -> None:
    monkeypatch.setattr(plain_metrics, "GATHERED", gathered)
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counter = PlainCounter("visits", "Visits.", ["site", "reason"])
    histogram = PlainHistogram("wait", "Waits.", ["route"], BUCKETS)
    ours.register(counter)
    ours.register(histogram)
    other_counter = Counter("visits", "Visits.", ["site", "reason"], registry=theirs)
    other_histogram = Histogram("wait", "Waits.", ["route"], buckets=BUCKETS, registry=theirs)
    assert generate_latest(ours) == generate_latest(theirs)
    for labels in (("a.com", "bot"), ('"b"\n', "x"), ("a.com", "bot")):
        counter.count(labels)
        other_counter.labels(*labels).inc()
    for route, seconds in (("/a", 0.0), ("/a", 0.0005), ("/b", 0.3), ("/a", 5.0), ("/a", 99.0)):
        histogram.observe((route,), seconds)
        other_histogram.labels(route).observe(seconds)
    assert generate_latest(ours) == generate_latest(theirs)

from ingest.metrics import UNKNOWN_SITE, Metrics
from ingest.verdict import ACCEPTED, DropReason, Verdict


def test_domains_of_nobodys_site_make_no_time_series() -> None:
    metrics = Metrics(lambda domain: domain == "example.com")
    for number in range(50):
        metrics.count_verdict(f"{number}.example", Verdict(DropReason.NOT_FOUND))
    metrics.count_verdict("example.com", ACCEPTED)
    labels = {"site": UNKNOWN_SITE, "reason": "not_found"}
    assert metrics.registry.get_sample_value("sluice_events_dropped_total", labels) == 50
    assert "49.example" not in metrics.exposition().decode()


def test_figures_are_read_when_asked() -> None:
    metrics = Metrics(lambda domain: True)
    depths = {"gate": 1.0}
    metrics.read("sluice_one", "One.", lambda: depths["gate"])
    metrics.read_labelled("sluice_many", "Many.", "actor", lambda: depths)
    depths["gate"] = 5.0
    figures = metrics.exposition().decode()
    assert "sluice_one 5.0" in figures
    assert 'sluice_many{actor="gate"} 5.0' in figures


def test_two_processes_figures_are_apart() -> None:
    one, other = Metrics(lambda domain: True), Metrics(lambda domain: True)
    one.connections_refused.inc()
    assert other.registry.get_sample_value("sluice_connections_refused_total") == 0

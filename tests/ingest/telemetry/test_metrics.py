"""What `/metrics` shows."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.model.verdict import DropReason
from ingest.telemetry import metrics as metrics_module
from ingest.telemetry.metrics import UNKNOWN_SITE, Metrics

NAMES = {
    "sluice_events_accepted",
    "sluice_events_dropped",
    "sluice_validation_errors",
    "sluice_request_duration_seconds",
    "sluice_requests_refused",
    "sluice_connections_displaced",
    "sluice_connections_refused",
    "sluice_connection_errors",
    "sluice_log_lines_dropped",
    "sluice_batches",
    "sluice_batch_rows",
    "sluice_flush_duration_seconds",
    "sluice_flush_failures",
    "sluice_journal_sync_seconds",
    "sluice_dead_letters",
    "sluice_actor_restarts",
    "sluice_event_loop_lag_seconds",
    "sluice_clock_steps",
    "sluice_missing_exchange_rates",
}


def make_metrics() -> Metrics:
    return Metrics(lambda domain: domain == "example.com")


def test_the_names_are_a_contract() -> None:
    exposition = make_metrics().exposition().decode()
    assert {family.name for family in text_string_to_metric_families(exposition)} == NAMES


@pytest.mark.parametrize(
    ("domain", "site"), [("example.com", "example.com"), ("made.up", UNKNOWN_SITE)]
)
def test_events_are_counted_by_site(domain: str, site: str) -> None:
    metrics = make_metrics()
    for _ in range(2):
        metrics.count_accepted([domain, domain])
        metrics.count_drop(domain, DropReason.BOT)
    accepted = metrics.registry.get_sample_value("sluice_events_accepted_total", {"site": site})
    dropped = metrics.registry.get_sample_value(
        "sluice_events_dropped_total", {"site": site, "reason": "bot"}
    )
    assert (accepted, dropped) == (4, 2)


def test_accepted_events_count_in_their_second() -> None:
    metrics = make_metrics()
    metrics.count_accepted(["example.com", "made.up"])
    metrics.history.advance(1)
    metrics.count_accepted(["example.com"])
    assert metrics.history.seconds(0).accepted == [2, 1]
    assert metrics.history.unknown_domains() == {"made.up": 1}


def test_many_domains_of_accepted_events_are_counted_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics_module, "UNCOUNTED_DOMAINS", 2)
    metrics = make_metrics()
    history = metrics.history
    metrics.count_accepted(["a.example", "b.example"])
    assert history.unknown_domains() == {}
    metrics.count_accepted(["c.example"])
    assert history.unknown_domains() == {"a.example": 1, "b.example": 1, "c.example": 1}


def test_domains_that_clients_make_up_share_one_series() -> None:
    metrics = make_metrics()
    for number in range(100):
        metrics.count_drop(f"{number}.example", DropReason.NOT_FOUND)
    (dropped,) = (
        family for family in metrics.registry.collect() if family.name == "sluice_events_dropped"
    )
    assert [(sample.labels["site"], sample.value) for sample in dropped.samples] == [
        (UNKNOWN_SITE, 100)
    ]


def test_two_processes_worth_of_figures_do_not_mix() -> None:
    one, other = make_metrics(), make_metrics()
    one.connections_refused.inc()
    assert one.registry.get_sample_value("sluice_connections_refused_total") == 1
    assert other.registry.get_sample_value("sluice_connections_refused_total") == 0


def test_figures_are_read_when_asked() -> None:
    metrics = make_metrics()
    waiting = [1, 2, 3]
    metrics.read("sluice_waiting", "Waiting.", lambda: len(waiting))
    assert metrics.registry.get_sample_value("sluice_waiting") == 3
    waiting.clear()
    assert "sluice_waiting 0.0" in metrics.exposition().decode()


def test_families_of_figures_are_read_when_asked() -> None:
    metrics = make_metrics()
    depths: dict[str, float] = {"gate": 2}
    metrics.read_labelled("sluice_depth", "Depth.", "actor", lambda: depths)
    depths["sessions"] = 5
    assert metrics.registry.get_sample_value("sluice_depth", {"actor": "gate"}) == 2
    assert metrics.registry.get_sample_value("sluice_depth", {"actor": "sessions"}) == 5


def test_no_series_tells_when_it_was_created() -> None:
    metrics = make_metrics()
    metrics.batches.labels("size").inc()
    assert "_created" not in metrics.exposition().decode()


def test_the_history_counts_what_metrics_count() -> None:
    metrics = make_metrics()
    metrics.count_accepted(["example.com"])
    for number in range(3):
        metrics.count_drop(f"{number}.example", DropReason.NOT_FOUND)
    unknown, registered = metrics.history.sites(10)[0]
    assert (registered.site, registered.accepted) == ("example.com", 1)
    assert (unknown.site, unknown.dropped) == (UNKNOWN_SITE, {DropReason.NOT_FOUND: 3})
    names = {f"{number}.example": 1 for number in range(3)}
    assert metrics.history.unknown_domains() == names


def test_inserts_are_remembered() -> None:
    metrics = make_metrics()
    metrics.observe_insert("events_v2", 10, 0.5)
    sample = metrics.registry.get_sample_value
    assert sample("sluice_batch_rows_sum", {"table": "events_v2"}) == 10
    assert sample("sluice_flush_duration_seconds_sum", {"table": "events_v2"}) == 0.5
    assert metrics.recent_inserts.summaries()["events_v2"].seconds.median == 0.5


def test_lags_of_the_last_minute_are_remembered() -> None:
    metrics = make_metrics()
    for second in range(61):
        metrics.observe_lag(float(second))
    assert metrics.registry.get_sample_value("sluice_event_loop_lag_seconds") == 60
    assert list(metrics.recent_lags) == [float(second) for second in range(1, 61)]


def test_one_figure_is_read_by_its_name() -> None:
    metrics = make_metrics()
    metrics.read("sluice_waiting", "Waiting.", lambda: 3)
    assert metrics.figure("sluice_waiting") == 3
    assert metrics.figure("sluice_nothing") is None

"""All metrics of `/metrics`, defined in one place."""

from collections import Counter as Numbers
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector as PrometheusCollector

from ingest.model.verdict import DropReason
from ingest.observation.history import History
from ingest.observation.inserts import RecentInserts
from ingest.observation.odd_scripts import OddScripts
from ingest.telemetry.logs import dropped_lines
from ingest.telemetry.plain_metrics import PlainCounter, PlainHistogram

UNKNOWN_SITE = "(unknown)"
"""Label for unregistered domains, so that clients cannot create time series."""

UNCOUNTED_DOMAINS = 1000
"""Maximum number of domains of accepted events that are not counted yet."""

REQUEST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
FLUSH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
ROWS_BUCKETS = (1, 10, 100, 1_000, 10_000, 100_000)

GAUGES: Mapping[str, str] = {
    "sluice_sessions_open": "Visits that may go on.",
    "sluice_requests_waiting": "Requests that wait for their verdicts.",
    "sluice_followers": "Clients that follow events as they come.",
    "sluice_rows_gathered": "Events that wait for the next flush.",
    "sluice_rows_pending": "Rows handed to the writer that the store has not acknowledged.",
    "sluice_journal_backlog_events": "Accepted events that the store has not acknowledged.",
    "sluice_journal_bytes": "Bytes of the journal on disk.",
    "sluice_journal_events_lost": "Accepted events that are missing in the journal.",
    "sluice_dead_letters_kept": "Dead letters on disk.",
    "sluice_other_servers": "Other servers that write to the same database.",
    "sluice_clock_difference_seconds": "By how much this machine's clock is behind the broker's.",
    "sluice_partitions_owned": "Partitions that this worker owns.",
    "sluice_partitions_lag_messages": "Messages of these partitions that are not folded.",
    "sluice_forwarder_backlog_events": "Events that Kafka has not acknowledged.",
    "sluice_forwarder_messages_outstanding": "Messages on their way to Kafka.",
    "sluice_forwarder_stopped": "Whether the forwarder has stopped until the next start.",
    "sluice_forwarder_events_dropped": "Old events that were passed over on the operator's wish.",
    "sluice_actors_in_trouble": "Actors that are stuck, or most of whose messages fail.",
}
"""Gauges that parts of the pipeline report, with their documentation."""

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one server, independent of others in the same interpreter.

    Attributes:
        recent_inserts: The last inserts, for the live page.
        odd_scripts: Addresses of the tracker that are not known, for the live page.
        stored_events: Number of events stored since the start.
        recent_lags: The event loop's lag in each second of the last minute, in seconds.
    """

    def __init__(self, is_site: Callable[[str], bool]) -> None:
        """Start at zero.

        Args:
            is_site: Tells whether a domain is registered, and so may become a label.
        """
        self._is_site = is_site
        self._history = History()
        self._uncounted: Numbers[str] = Numbers()
        self.stored_events = 0
        self.recent_inserts = RecentInserts()
        self.odd_scripts = OddScripts()
        self.recent_lags: deque[float] = deque(maxlen=60)
        self.registry = registry = CollectorRegistry()
        self._accepted = _AcceptedEvents(self._count_accepted)
        self._dropped = PlainCounter(
            "sluice_events_dropped", "Events dropped, by reason.", ["site", "reason"]
        )
        self._requests = PlainHistogram(
            "sluice_request_duration_seconds",
            "Time from a complete request to its response, by route and status.",
            ["route", "status"],
            REQUEST_BUCKETS,
        )
        for figures in (self._accepted, self._dropped, self._requests):
            registry.register(figures)
        self.validation_errors = Counter(
            "sluice_validation_errors",
            "Requests refused with 400, by field at fault.",
            ["field"],
            registry=registry,
        )
        self.requests_refused = Counter(
            "sluice_requests_refused",
            "Events refused before they were read, by reason.",
            ["reason"],
            registry=registry,
        )
        self.connections_refused = Counter(
            "sluice_connections_refused",
            "Connections closed at once because too many were open.",
            registry=registry,
        )
        self.connections_displaced = Counter(
            "sluice_connections_displaced",
            "Idle connections closed because too many were open.",
            registry=registry,
        )
        self.connection_errors = Counter(
            "sluice_connection_errors",
            "Connections closed because handling their bytes failed.",
            registry=registry,
        )
        self.read(
            "sluice_log_lines_dropped",
            "Log lines dropped because nobody read the log.",
            dropped_lines,
        )
        self.batches = Counter(
            "sluice_batches",
            "Batches flushed, by what made them due: size, time or drain.",
            ["trigger"],
            registry=registry,
        )
        self.batch_rows = Histogram(
            "sluice_batch_rows",
            "Rows per insert, by table.",
            ["table"],
            buckets=ROWS_BUCKETS,
            registry=registry,
        )
        self.flush_seconds = Histogram(
            "sluice_flush_duration_seconds",
            "Time of one insert, by table.",
            ["table"],
            buckets=FLUSH_BUCKETS,
            registry=registry,
        )
        self.journal_sync_seconds = Histogram(
            "sluice_journal_sync_seconds",
            "Time of having the journal on the disk.",
            buckets=FLUSH_BUCKETS,
            registry=registry,
        )
        self.flush_failures = Counter(
            "sluice_flush_failures",
            "Inserts that failed: unavailable ones are retried, refused ones are dead letters.",
            ["table", "kind"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "sluice_dead_letters",
            "Messages and rows set aside, by the actor that could not handle them.",
            ["actor"],
            registry=registry,
        )
        self.actor_restarts = Counter(
            "sluice_actor_restarts", "Restarts, by actor.", ["actor"], registry=registry
        )
        self.loop_lag = Gauge(
            "sluice_event_loop_lag_seconds",
            "How late the event loop last woke a task that asked for a time.",
            registry=registry,
        )
        self.clock_steps = Counter(
            "sluice_clock_steps", "Steps of the system clock that were followed.", registry=registry
        )
        self.missing_exchange_rates = Counter(
            "sluice_missing_exchange_rates",
            "Revenue stored without a reporting amount, by the currency sent.",
            ["currency"],
            registry=registry,
        )

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Record a request's duration."""
        self._requests.observe((route, status), seconds)

    def observe_lag(self, seconds: float) -> None:
        """Record the event loop's lag."""
        self.loop_lag.set(seconds)
        self.recent_lags.append(seconds)

    def observe_insert(self, table: str, rows: int, seconds: float) -> None:
        """Record a successful insert."""
        self.flush_seconds.labels(table).observe(seconds)
        self.batch_rows.labels(table).observe(rows)
        self.recent_inserts.note(table, rows, seconds)
        if table == "events_v2":
            self.stored_events += rows

    @property
    def history(self) -> History:
        """The last hour, for the live page. Accepted events are added when this is asked for."""
        self._count_accepted()
        return self._history

    def count_accepted(self, domains: Iterable[str]) -> None:
        """Count events as accepted.

        Args:
            domains: That of each event.
        """
        self._uncounted.update(domains)
        if len(self._uncounted) > UNCOUNTED_DOMAINS:
            self._count_accepted()

    def _count_accepted(self) -> None:
        """Add the events that were accepted since the last time, at least once a second."""
        uncounted, self._uncounted = self._uncounted, Numbers()
        for domain, events in uncounted.items():
            site = self._site_of(domain, events)
            self._history.count(site, None, events)
            self._accepted.count((site,), events)

    def count_drop(self, domain: str, reason: DropReason) -> None:
        """Count an event as dropped."""
        site = self._site_of(domain, 1)
        self._history.count(site, reason)
        self._dropped.count((site, reason.value))

    def _site_of(self, domain: str, events: int) -> str:
        """Return the label of a domain, after counting its events if it is unknown."""
        if self._is_site(domain):
            return domain
        self._history.count_unknown(domain, events)
        return UNKNOWN_SITE

    def show(self, figures: Callable[[], Mapping[str, float]]) -> None:
        """Register the gauges of a part, read at each request of `/metrics`.

        Args:
            figures: Returns them by names of `GAUGES`, always the same names.
        """
        self.registry.register(_PartGauges(figures))

    def read(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Register a gauge that is read from its owner at each request of `/metrics`."""
        Gauge(name, documentation, registry=self.registry).set_function(read)

    def read_labelled(
        self, name: str, documentation: str, label: str, read: Callable[[], dict[str, float]]
    ) -> None:
        """As `read`, for a family of figures by the value of one label."""
        self.registry.register(_LabelledGauge(name, documentation, label, read))

    def figure(self, name: str) -> float | None:
        """The value of a metric without labels; None if there is none of that name."""
        for family in self.registry.restricted_registry([name]).collect():
            for sample in family.samples:
                return float(sample.value)
        return None

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _AcceptedEvents(PlainCounter):
    def __init__(self, complete: Callable[[], None]) -> None:
        super().__init__("sluice_events_accepted", "Events accepted.", ["site"])
        self._complete = complete

    def collect(self) -> Iterable[CounterMetricFamily]:
        self._complete()
        return super().collect()


class _PartGauges(PrometheusCollector):
    def __init__(self, figures: Callable[[], Mapping[str, float]]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, value in self._figures().items():
            yield GaugeMetricFamily(name, GAUGES[name], value=value)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return self.collect()


class _LabelledGauge(PrometheusCollector):
    def __init__(
        self, name: str, documentation: str, label: str, read: Callable[[], dict[str, float]]
    ) -> None:
        self._family = (name, documentation)
        self._label = label
        self._read = read

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(*self._family, labels=[self._label])
        for value, figure in self._read().items():
            family.add_metric([value], figure)
        yield family

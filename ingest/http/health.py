"""The reports of the health routes."""

from typing import Any, Final, Protocol

from actors.keepers.file_watcher import FileWatcher
from actors.keepers.other_servers import OtherServers
from actors.pipeline.topology import Collector
from ingest.telemetry.readiness import worst_state

_DETAILS: Final = frozenset(
    {"reason", "findings", "file_written_ns", "last_error", "seconds_since_failure"}
)
"""Details for the operator only, because they may name files and hosts."""


class SitesKeeper(Protocol):
    """The actor that keeps the registry up to date."""

    def status(self) -> dict[str, object]:
        """Its readiness report."""


class Health:
    """Reports the state of the parts of one server."""

    def __init__(
        self,
        collector: Collector,
        sites: SitesKeeper,
        geo: FileWatcher[Any] | None,
        others: OtherServers | None,
    ) -> None:
        """Watch a collector and its reference files.

        Args:
            collector: The pipeline.
            sites: The actor that keeps the registry up to date.
            geo: The actor that keeps the geo database up to date; None without a database.
            others: The actor that looks for other servers of the database; None without one.
        """
        self._collector = collector
        self._sites = sites
        self._geo = geo
        self._others = others

    @property
    def alive(self) -> bool:
        """Whether the process is alive and its actors run."""
        return self._collector.supervisor.healthy

    @property
    def liveness(self) -> str:
        """The same as text."""
        return "ok" if self.alive else "an actor has failed for good"

    def readiness(self, *, detailed: bool) -> tuple[bool, dict[str, Any]]:
        """Return the readiness report.

        Args:
            detailed: Whether to include reasons, which may name files and hosts.

        Returns:
            Whether events are accepted, and a report with the `status` of each part: `ok`,
            `degraded` (events are accepted and kept, but something needs attention), `down`.
        """
        report = self._parts()
        overall = worst_state(report.values())
        if not detailed:
            report = _without_details(report)
        return overall != "down", {"status": overall, **report}

    def _parts(self) -> dict[str, Any]:
        sites = {"sites": len(self._collector.reference.registry)}
        geo = {"status": "ok"} if self._geo is None else self._geo.status()
        return {
            **self._collector.status(),
            "registry": self._sites.status() | sites,
            "geo_database": geo | {"loaded": self._geo is not None},
            **({} if self._others is None else {"other_servers": self._others.status()}),
        }

    def plausible(self) -> dict[str, str]:
        """The report of Plausible's own routes (spec/ingestion.md §12), for existing monitors.

        The site registry is reported as PostgreSQL, because Plausible keeps its sites there. A
        front has no parts `store` and `sessions`; it reports whether events go on to Kafka.

        Returns:
            `ok` or `error` for each part. `sessions` is `waiting` while visits that were open
            before the start are read from the log; events are accepted meanwhile.
        """
        parts = self._parts()
        registry = "error" if "reason" in parts["registry"] else "ok"
        if "store" in parts:
            stores = not parts["store"]["failures_in_a_row"]
        else:
            stores = parts["cluster"]["status"] == "ok"
        return {
            "postgres": registry,
            "clickhouse": "ok" if stores else "error",
            "sites_cache": registry,
            "sessions": _sessions(parts.get("sessions", {"status": "ok", "restored": True})),
        }


def _sessions(part: dict[str, Any]) -> str:
    if part["status"] != "ok":
        return "error"
    return "ok" if part["restored"] else "waiting"


def _without_details(report: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_details(value) if isinstance(value, dict) else value
        for name, value in report.items()
        if name not in _DETAILS
    }

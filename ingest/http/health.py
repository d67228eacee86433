"""What the health routes say."""

from collections.abc import Sequence
from typing import Any

from actors.keepers.file_watcher import Reload
from actors.pipeline.topology import Collector
from ingest.enrichment.geo import GeoDatabase


class Health:
    """Looks at the parts of one collector."""

    def __init__(self, collector: Collector, sites: Reload[Any], geo: Reload[Any] | None) -> None:
        """Watch a collector.

        Args:
            collector: The pipeline.
            sites: The actor that keeps the registry up to date.
            geo: The actor that keeps the geo database up to date; None when there is none.
        """
        self._collector = collector
        self._sites = sites
        self._geo = geo

    @property
    def alive(self) -> bool:
        """Whether the process is alive and its actors run."""
        return self._collector.supervisor.healthy

    @property
    def liveness(self) -> str:
        """The same in a word."""
        return "ok" if self.alive else "an actor has failed for good"

    def readiness(self, *, detailed: bool) -> tuple[bool, dict[str, Any]]:
        """Say what works.

        Args:
            detailed: Whether to say why, which may name files and hosts.

        Returns:
            Whether events are taken, and a report with the `status` of each part: `ok`, `degraded`
            (events are taken and kept, but something needs care), `down`.
        """
        collector = self._collector
        report: dict[str, Any] = {
            **collector.status(),
            "registry": {
                "status": "degraded" if self._sites.problem else "ok",
                "sites": len(collector.reference.registry),
            },
            "geo_database": self._geo_report(),
        }
        if detailed:
            self._explain(report)
        states = [part.get("status", "ok") for part in report.values()]
        ready = collector.accepting and "down" not in states
        overall = "down" if not ready else "degraded" if "degraded" in states else "ok"
        return ready, {"status": overall, **report}

    def _geo_report(self) -> dict[str, Any]:
        if self._geo is None:
            return {"status": "ok", "loaded": False}
        geo = self._collector.reference.geo
        return {
            "status": "degraded" if self._geo.problem else "ok",
            "loaded": isinstance(geo, GeoDatabase),
        }

    def _explain(self, report: dict[str, Any]) -> None:
        # By this the command line knows whether its edit has been seen.
        report["registry"]["file_written_ns"] = self._sites.seen
        reasons: Sequence[tuple[str, str | None]] = (
            ("registry", self._sites.problem),
            ("geo_database", None if self._geo is None else self._geo.problem),
            ("store", self._collector.writer.last_error),
            ("journal", self._collector.journal.problem),
            ("dead_letters", self._collector.letters.problem),
        )
        for part, reason in reasons:
            if reason:
                report[part]["reason"] = reason

    def plausible(self) -> dict[str, str]:
        """The report of Plausible's own route (spec/ingestion.md §12), for existing monitors.

        The site registry stands for PostgreSQL, which is where Plausible keeps its sites.
        """
        registry = self._sites.problem or "ok"
        return {
            "postgres": registry,
            "clickhouse": "error" if self._collector.writer.failures else "ok",
            "sites_cache": registry,
        }

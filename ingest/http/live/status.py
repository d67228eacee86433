"""The data that the live page shows: `GET /api/status`."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import trio

from actors.letters.dead_letters import LETTERS_LIMIT
from actors.pipeline.topology import Collector
from ingest.engine.cluster import Cluster
from ingest.engine.cluster_findings import cluster_findings
from ingest.http.health import Health
from ingest.http.hypercorn.open_connections import connection_limit
from ingest.http.live.cluster_report import cluster_report
from ingest.http.live.sites_report import (
    sites_report,
    unknown_domains,
    unknown_events,
)
from ingest.observation.diagnosis.diagnose import diagnose, headline, status
from ingest.observation.diagnosis.finding import Diagnosis
from ingest.observation.diagnosis.server_health import ActorHealth, ServerHealth
from ingest.observation.history import Verdicts
from ingest.observation.inserts import Spread
from ingest.setting_display import ShownSetting

RATE_SECONDS: Final = 10
"""Number of seconds over which rates are averaged."""

REFUSAL_MINUTES: Final = 5
LAG_BEATS: Final = 10
"""Periods for which the diagnosis checks refusals (minutes) and the event loop's lag (seconds)."""

EXAMINED: Final = frozenset(
    {
        *("status", "intake", "journal", "sessions", "store"),
        *("dead_letters", "actors", "registry", "geo_database", "other_servers", "cluster"),
    }
)
"""Parts of the readiness report that the diagnosis examines in detail."""

_STATM = Path("/proc/self/statm")


class LiveStatus:
    """Reports the state of one collector and its server, and of the cluster that it is part of."""

    def __init__(
        self,
        collector: Collector,
        health: Health,
        settings: Sequence[ShownSetting],
        version: str,
        cluster: Callable[[], Cluster] | None = None,
        member: str = "",
    ) -> None:
        """Watch a collector; the uptime counts from now.

        Args:
            collector: The pipeline.
            health: Provides the readiness report.
            settings: The settings to show, without secrets.
            version: The program's version.
            cluster: Returns the current view of the cluster; None if the process is in none.
            member: The process's id in the cluster.
        """
        self._cluster = cluster
        self._member = member
        self._collector = collector
        self._health = health
        self._settings = settings
        self._version = version
        self._started = trio.current_time()

    def report(self, since: int | None = None) -> dict[str, Any]:
        """Return the current state.

        Args:
            since: The first second (Unix time) of the history to return. None: the whole history,
                and the settings, which do not change while the server runs.
        """
        collector, metrics = self._collector, self._collector.metrics
        now = collector.clock.seconds()
        history = metrics.history
        history.advance(now)
        _, parts = self._health.readiness(detailed=True)
        verdicts = history.verdicts()
        findings = self._findings(parts, verdicts)
        seconds = history.seconds(since)
        per_second = [total / RATE_SECONDS for total in history.last(RATE_SECONDS)]
        whole = seconds if since is None else history.seconds()
        report = {
            "version": self._version,
            "now": now,
            "uptime_seconds": round(trio.current_time() - self._started),
            "status": status(findings),
            "headline": headline(findings),
            "findings": [_finding(finding) for finding in findings],
            "rates": dict(zip(("accepted", "dropped", "refused"), per_second, strict=True)),
            "hour": {
                "accepted": sum(whole.accepted),
                "dropped": sum(whole.dropped),
                "refused": sum(whole.refused),
                "refused_by_status": {
                    str(code): requests for code, requests in history.refusals().items()
                },
            },
            "history": {
                "first": seconds.first,
                "accepted": seconds.accepted,
                "dropped": seconds.dropped,
                "refused": seconds.refused,
            },
            "events_since_start": collector.broadcast.recent.events,
            "sites": sites_report(
                history,
                verdicts,
                collector.reference.registry,
                unknown_accepted=collector.reference.accept_unknown_sites,
            ),
            "sessions_open": metrics.figure("sluice_sessions_open"),
            "requests_waiting": metrics.figure("sluice_requests_waiting"),
            "actors": [
                {"name": name, **asdict(actor)} for name, actor in _actors_health(parts).items()
            ],
            "store": parts["store"] | self._store() if "store" in parts else None,
            "journal": parts["journal"],
            "dead_letters": parts["dead_letters"] | {"limit": LETTERS_LIMIT},
            "registry": parts["registry"],
            "geo_database": parts["geo_database"],
            "process": self._process(),
            "cluster": (
                None
                if self._cluster is None
                else parts.get("cluster", {}) | cluster_report(self._cluster(), self._member)
            ),
        }
        if since is None:
            report["settings"] = [
                {
                    "name": setting.name,
                    "value": setting.value,
                    "given": setting.given,
                    "meaning": setting.meaning,
                }
                for setting in self._settings
            ]
        return report

    def _findings(self, parts: dict[str, Any], verdicts: Mapping[str, Verdicts]) -> list[Diagnosis]:
        """Return all problems, the worst first.

        Args:
            parts: The readiness report with its reasons.
            verdicts: Events of the last hour by site.
        """
        collector, metrics = self._collector, self._collector.metrics
        # Only a process that stores rows has the first two, only a front the third.
        store, sessions, front = (parts.get(name, {}) for name in ("store", "sessions", "cluster"))
        journal, history = parts["journal"], metrics.history
        hour, registry = history.seconds(), collector.reference.registry
        limit = journal.get("limit_bytes", 0)
        intake = parts["intake"]
        return diagnose(
            ServerHealth(
                open=intake["status"] == "ok",
                actors=_actors_health(parts),
                store_failures=store.get("failures_in_a_row", 0),
                store_error=store.get("reason", ""),
                rows_waiting=store.get("rows_waiting", 0),
                durable=journal["durability"] == "journal",
                backlog_events=journal["backlog_events"],
                journal_share=journal["bytes"] / limit if limit else 0.0,
                journal_full=journal["full"],
                journal_broken=journal["status"] == "down" and not journal["full"],
                journal_problem=journal.get("reason"),
                events_lost=journal.get("events_lost", 0),
                fold_problem=sessions.get("reason"),
                letters=parts["dead_letters"]["kept"],
                letters_full=parts["dead_letters"]["full"],
                letters_problem=parts["dead_letters"].get("reason"),
                sites=parts["registry"]["sites"],
                sites_problem=parts["registry"].get("reason"),
                sites_followed="source" in parts["registry"],
                geo_problem=parts["geo_database"].get("reason"),
                other_servers=parts.get("other_servers", {}).get("reason", ""),
                loop_lag_seconds=max(list(metrics.recent_lags)[-LAG_BEATS:], default=0.0),
                queue_share=intake["waiting"] / intake["room"],
                refused=history.refusals(REFUSAL_MINUTES),
                verdicts={site: of for site, of in verdicts.items() if registry.find(site)},
                unknown_events=unknown_events(history, verdicts, registry),
                unknown_domains=dict(unknown_domains(history, registry).most_common()),
                unknown_accepted=collector.reference.accept_unknown_sites,
                odd_scripts=metrics.odd_scripts.of_last_day(collector.clock.seconds()),
                events=sum(sum(kind) for kind in (hour.accepted, hour.dropped)),
                uptime_seconds=trio.current_time() - self._started,
                front="cluster" in parts,
                forwards=front.get("forwards", True),
                cluster_state=front.get("status", "ok"),
                cluster_problem=front.get("reason", ""),
                cluster_findings=self._cluster_findings(),
                others={
                    name: part["status"]
                    for name, part in parts.items()
                    if name not in EXAMINED and part.get("status", "ok") != "ok"
                },
            )
        )

    def _cluster_findings(self) -> list[tuple[str, str]]:
        if self._cluster is None:
            return []
        return [
            (found.text, found.advice) for found in cluster_findings(self._cluster(), self._member)
        ]

    def _store(self) -> dict[str, Any]:
        metrics = self._collector.metrics
        return {
            "gathered": metrics.figure("sluice_rows_gathered"),
            "pending": metrics.figure("sluice_rows_pending"),
            "inserts": {
                table: {
                    "inserts": summary.inserts,
                    "seconds": _spread(summary.seconds),
                    "rows": _spread(summary.rows),
                }
                for table, summary in metrics.recent_inserts.summaries().items()
            },
        }

    def _process(self) -> dict[str, Any]:
        metrics = self._collector.metrics
        return {
            "memory_bytes": resident_bytes(),
            "cpu_seconds": time.process_time(),
            "loop_lag_seconds": metrics.recent_lags[-1] if metrics.recent_lags else 0.0,
            "loop_lag_greatest_seconds": max(metrics.recent_lags, default=0.0),
            "connections": metrics.figure("sluice_connections_open"),
            "connection_limit": connection_limit(),
        }


def resident_bytes() -> int | None:
    """Return this process's memory in bytes; None if the system does not report it."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _actors_health(parts: dict[str, Any]) -> dict[str, ActorHealth]:
    actors = parts["actors"].items()
    return {name: ActorHealth(**actor) for name, actor in actors if name != "status"}


def _finding(finding: Diagnosis) -> dict[str, Any]:
    return {
        "severity": finding.severity.name.lower(),
        "part": finding.part,
        "what": finding.what,
        "advice": finding.advice,
        "commands": list(finding.commands),
    }


def _spread(spread: Spread) -> dict[str, float]:
    return {"median": spread.median, "p95": spread.p95, "greatest": spread.greatest}

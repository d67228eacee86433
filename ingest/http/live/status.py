"""What the live page shows, as plain data: `GET /api/status`."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import trio

from actors.journal.file_journal import FileJournal
from actors.letters.dead_letters import LETTERS_LIMIT
from actors.pipeline.topology import Collector
from actors.supervision.supervisor import Watch
from ingest.http.health import Health
from ingest.http.hypercorn.server import connection_limit
from ingest.observation.diagnosis import (
    ActorHealth,
    Diagnosis,
    ServerHealth,
    diagnose,
    headline,
    status,
)
from ingest.observation.inserts import Spread
from ingest.settings import ShownSetting
from ingest.telemetry.metrics import UNKNOWN_SITE

SITES: Final = 50
"""Sites shown; further ones are counted."""

QUIET_SITES: Final = 20
"""Sites named of which nothing came; further ones are counted."""

RATE_SECONDS: Final = 10
"""Over how many seconds rates are averaged."""

REFUSAL_MINUTES: Final = 5
LAG_BEATS: Final = 10
"""How far back the diagnosis looks for refusals, and for a slow event loop (seconds)."""

EXAMINED: Final = frozenset(
    {"status", "store", "journal", "dead_letters", "actors", "registry", "geo_database"}
)
"""Parts of the readiness report that the diagnosis knows more of."""

_STATM = Path("/proc/self/statm")


class LiveStatus:
    """Looks at one collector and everything around it."""

    def __init__(
        self,
        collector: Collector,
        health: Health,
        settings: Sequence[ShownSetting],
        version: str,
    ) -> None:
        """Watch a collector; the uptime counts from now.

        Args:
            collector: The pipeline.
            health: What readiness says of it.
            settings: To be shown; without secrets.
            version: The program's.
        """
        self._collector = collector
        self._health = health
        self._settings = settings
        self._version = version
        self._started = trio.current_time()

    def report(self, since: int | None = None) -> dict[str, Any]:
        """Everything as of now.

        Args:
            since: The second (Unix time) from which the history is wanted; None: all of it, and
                what does not change while the server runs.
        """
        collector, metrics = self._collector, self._collector.metrics
        now = collector.clock.seconds()
        history = metrics.history
        history.advance(now)
        _, parts = self._health.readiness(detailed=True)
        findings = self.findings(parts)
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
            "sites": self._sites(),
            "sessions_open": metrics.figure("sluice_sessions_open"),
            "requests_waiting": metrics.figure("sluice_requests_waiting"),
            "actors": self._actors(),
            "store": parts["store"] | self._store(),
            "journal": parts["journal"],
            "dead_letters": parts["dead_letters"] | {"limit": LETTERS_LIMIT},
            "registry": parts["registry"],
            "geo_database": parts["geo_database"],
            "process": self._process(),
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

    def findings(self, parts: dict[str, Any]) -> list[Diagnosis]:
        """What is not well, the worst first.

        Args:
            parts: The readiness report with its reasons.
        """
        collector, metrics = self._collector, self._collector.metrics
        journal, history = collector.journal, metrics.history
        hour = history.seconds()
        limit = journal.limit if isinstance(journal, FileJournal) else 0
        waiting, room = collector.channels()["gate"]
        return diagnose(
            ServerHealth(
                open=collector.intake.is_open,
                actors={
                    name: _actor_health(watch)
                    for name, watch in collector.supervisor.watches.items()
                },
                store_failures=collector.writer.failures,
                store_error=collector.writer.last_error,
                rows_waiting=collector.batcher.gathered + collector.writer.pending,
                durable=journal.durable,
                backlog_events=journal.backlog,
                journal_share=journal.bytes / limit if limit else 0.0,
                journal_full=journal.full,
                journal_problem=journal.problem,
                events_lost=journal.lost if isinstance(journal, FileJournal) else 0,
                letters=parts["dead_letters"]["kept"],
                letters_full=collector.letters.full,
                letters_problem=collector.letters.problem,
                sites=parts["registry"]["sites"],
                sites_problem=parts["registry"].get("reason"),
                geo_problem=parts["geo_database"].get("reason"),
                loop_lag_seconds=max(list(metrics.recent_lags)[-LAG_BEATS:], default=0.0),
                queue_share=waiting / room,
                refused=history.refusals(REFUSAL_MINUTES),
                unknown_events=history.events_of(UNKNOWN_SITE),
                unknown_accepted=collector.reference.accept_unknown_sites,
                events=sum(sum(kind) for kind in (hour.accepted, hour.dropped)),
                uptime_seconds=trio.current_time() - self._started,
                others={
                    name: part["status"]
                    for name, part in parts.items()
                    if name not in EXAMINED and part.get("status", "ok") != "ok"
                },
            )
        )

    def _sites(self) -> dict[str, Any]:
        history = self._collector.metrics.history
        counts, more = history.sites(SITES)
        heard = history.heard()
        quiet = [
            site.domain
            for site in self._collector.reference.registry
            if site.domain not in heard and site.previous_domain not in heard
        ]
        return {
            "shown": [
                {
                    "site": found.site,
                    "registered": not found.site.startswith("("),
                    "accepted": found.accepted,
                    "dropped": sum(found.dropped.values()),
                    "reasons": {reason.value: events for reason, events in found.dropped.items()},
                    "per_minute": found.per_minute,
                }
                for found in counts
            ],
            "more": more,
            "quiet": quiet[:QUIET_SITES],
            "quiet_count": len(quiet),
        }

    def _actors(self) -> list[dict[str, Any]]:
        channels = self._collector.channels()
        found = []
        for name, watch in self._collector.supervisor.watches.items():
            health = _actor_health(watch)
            waiting, room = channels.get(name, (None, None))
            found.append(
                {
                    "name": name,
                    "condition": health.condition,
                    "restarts": health.restarts,
                    "last_error": health.last_error,
                    "seconds_since_failure": health.seconds_since_failure,
                    "waiting": waiting,
                    "room": room,
                }
            )
        return found

    def _store(self) -> dict[str, Any]:
        collector = self._collector
        return {
            "gathered": collector.batcher.gathered,
            "pending": collector.writer.pending,
            "inserts": {
                table: {
                    "inserts": summary.inserts,
                    "seconds": _spread(summary.seconds),
                    "rows": _spread(summary.rows),
                }
                for table, summary in collector.metrics.recent_inserts.summaries().items()
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
    """Memory of this process; None where the system does not tell."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _actor_health(watch: Watch) -> ActorHealth:
    ago = None if watch.failed_at is None else round(trio.current_time() - watch.failed_at, 1)
    return ActorHealth(watch.condition.value, watch.restarts, watch.last_error, ago, watch.trouble)


def _finding(finding: Diagnosis) -> dict[str, str]:
    return {
        "severity": finding.severity.name.lower(),
        "part": finding.part,
        "what": finding.what,
        "advice": finding.advice,
    }


def _spread(spread: Spread) -> dict[str, float]:
    return {"median": spread.median, "p95": spread.p95, "greatest": spread.greatest}

"""Shows a single server's live page as that of a front in a cluster."""

from contextlib import suppress
from typing import Any

from playwright.sync_api import Error, Page, Route

from ingest.engine.cluster import Cluster
from ingest.engine.cluster_findings import cluster_findings
from ingest.http.live.cluster_report import cluster_report
from tests.examples import NOON
from tests.ingest.engine.test_cluster import a_cluster, a_front, a_worker, beat

HEADLINE = "Events are taken, but something needs care"
TROUBLE = "partition 3 is paused: message version 2"


def an_ailing_cluster() -> Cluster:
    """A cluster with a worker in trouble, and one that fell silent."""
    cluster = a_cluster()
    beat(cluster, a_worker("gone"), NOON - 60)
    beat(cluster, a_front("f1", events_per_second=812.0))
    beat(cluster, a_front("f2", backlog=1))
    lags = {0: 3, 1: 0, 3: 40_000}
    beat(cluster, a_worker("w1", partitions=lags, oldest_seconds=200.0, trouble=TROUBLE))
    return cluster


def as_front(report: dict[str, Any]) -> dict[str, Any]:
    """The report of a front, made of that of a single server."""
    cluster = an_ailing_cluster()
    behind = ("sessions", "batcher", "writer")
    actors = [actor for actor in report["actors"] if actor["name"] not in behind]
    forwarder = next(actor for actor in report["actors"] if actor["name"] == "writer")
    findings = [
        {
            "severity": "degraded",
            "part": "cluster",
            "what": found.text,
            "advice": found.advice,
            "commands": [],
        }
        for found in cluster_findings(cluster)
    ]
    return report | {
        "status": "degraded",
        "headline": HEADLINE,
        "findings": findings,
        "store": None,
        "sessions_open": None,
        "actors": [*actors, forwarder | {"name": "forwarder"}],
        "cluster": {"status": "ok", "forwards": True} | cluster_report(cluster, "f1"),
    }


def pose_as_front(page: Page) -> None:
    """Let the page take all reports for those of a front."""

    def answer(route: Route) -> None:
        # A page that is closed meanwhile waits for no answer.
        with suppress(Error):
            response = route.fetch()
            route.fulfill(response=response, json=as_front(response.json()))

    page.route("**/api/status*", answer)

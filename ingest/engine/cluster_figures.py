"""A cluster in `/metrics`, as each member that reads the control topic sees it."""

from collections.abc import Callable
from typing import get_args

from ingest.engine.cluster import Cluster
from ingest.engine.cluster_findings import cluster_findings
from ingest.engine.heartbeat import Role
from ingest.telemetry.metrics import Metrics


def show_cluster(metrics: Metrics, cluster: Callable[[], Cluster]) -> None:
    """Register the gauges of a cluster.

    Args:
        metrics: Of the member.
        cluster: Returns the current view.
    """
    metrics.read_labelled(
        "sluice_cluster_lag_messages",
        "Messages that are not stored, by partition.",
        "partition",
        lambda: {str(partition): lag for partition, lag in sorted(cluster().lags.items())},
    )
    metrics.read(
        "sluice_cluster_oldest_event_seconds",
        "Age of the oldest event in Kafka that is not stored.",
        lambda: cluster().oldest_seconds,
    )
    metrics.read(
        "sluice_cluster_backlog_events",
        "Events that wait in the outboxes of all fronts.",
        lambda: cluster().backlog,
    )
    metrics.read(
        "sluice_cluster_partitions_unowned",
        "Partitions without a worker.",
        lambda: len(cluster().unowned),
    )
    metrics.read(
        "sluice_cluster_findings",
        "What an operator should look at; the live page says what it is.",
        lambda: len(cluster_findings(cluster())),
    )
    metrics.read_labelled(
        "sluice_cluster_members",
        "Running members, by role.",
        "role",
        lambda: _by_role(cluster()),
    )


def _by_role(cluster: Cluster) -> dict[str, float]:
    roles = [member.heartbeat.role for member in cluster.members]
    return {role: roles.count(role) for role in get_args(Role)}

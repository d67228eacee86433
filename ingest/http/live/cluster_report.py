"""A cluster, as the live page of a front shows it."""

from typing import Any, Final

from ingest.engine.cluster import Cluster, Member

MEMBERS: Final = 200
"""Maximum number of members shown; further ones are only counted."""


def cluster_report(cluster: Cluster, reporter: str) -> dict[str, Any]:
    """Return a cluster's figures and members.

    Args:
        cluster: What the control topic has said.
        reporter: Id of the member that asks.
    """
    record, running, silent = cluster.record, cluster.members, cluster.silent
    members = [*running, *silent]
    return {
        "id": None if record is None else record.cluster_id,
        "partitions": None if record is None else record.partitions,
        "partitions_unowned": len(cluster.unowned),
        "fronts": sum(member.heartbeat.role == "front" for member in running),
        "workers": sum(member.heartbeat.role == "worker" for member in running),
        "lag_messages": cluster.lag,
        "oldest_seconds": cluster.oldest_seconds,
        "retention_seconds": _finite(cluster.retention_seconds),
        "backlog_events": cluster.backlog,
        "members": [
            {
                **_member(member, cluster),
                "running": at < len(running),
                "self": _is(member, reporter),
            }
            for at, member in enumerate(members[:MEMBERS])
        ],
        "more": max(0, len(members) - MEMBERS),
    }


def _member(member: Member, cluster: Cluster) -> dict[str, Any]:
    beat = member.heartbeat
    common = {
        "member": beat.member,
        "role": beat.role,
        "host": beat.host,
        "version": beat.version,
        "events_per_second": beat.events_per_second,
        "seen_seconds": max(0.0, cluster.log_time - member.appended_at),
        "clock_seconds": member.clock_difference,
        "trouble": beat.trouble,
    }
    if beat.role == "front":
        return common | {"backlog_events": beat.backlog}
    return common | {
        "partitions": len(beat.partitions),
        "lag_messages": beat.lag,
        "oldest_seconds": beat.oldest_seconds,
    }


def _is(member: Member, reporter: str) -> bool:
    return member.heartbeat.member == reporter


def _finite(seconds: float) -> float | None:
    """JSON has no infinity."""
    return None if seconds == float("inf") else seconds

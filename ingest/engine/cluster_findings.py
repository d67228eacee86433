"""What an operator should know of a cluster, by its control topic."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from ingest.engine.cluster import CLOCK_SECONDS, Cluster
from ingest.engine.finding import Finding, problem, warning

_SHOWN: Final = 8


def cluster_findings(cluster: Cluster, reporter: str = "") -> list[Finding]:
    """What an operator should know, most severe first.

    Args:
        cluster: As its control topic shows it.
        reporter: Id of the member that asks. Its own trouble is left out, because it knows
            better.
    """
    found = [
        *_record_findings(cluster),
        *_secret_findings(cluster),
        *_owner_findings(cluster),
        *_lag_findings(cluster),
        *_version_findings(cluster),
        *_member_findings(cluster, reporter),
    ]
    return sorted(found, key=lambda finding: not finding.severe)


def _record_findings(cluster: Cluster) -> Iterator[Finding]:
    if cluster.record_trouble:
        yield problem(
            cluster.record_trouble,
            "stop all members, correct it with `sluice engine create`, and start them again",
        )


def _secret_findings(cluster: Cluster) -> Iterator[Finding]:
    others = [member.name for member in cluster.with_other_secret]
    if others:
        yield problem(
            f"SLUICE_CLUSTER_SECRET differs: {_listed(others)}",
            "give all members the same secret; visits whose events pass through several "
            "fronts are torn apart until then",
        )


def _owner_findings(cluster: Cluster) -> Iterator[Finding]:
    missing = [str(partition) for partition in cluster.unowned]
    if missing and not cluster.owners:
        yield warning("no worker owns a partition: nothing is stored", "start a worker")
    elif missing:
        yield warning(
            f"partitions without a worker: {_listed(missing)}",
            "if it lasts longer than a minute, see the logs of the workers",
        )


def _lag_findings(cluster: Cluster) -> Iterator[Finding]:
    if cluster.oldest_seconds > cluster.retention_seconds / 2:
        yield warning(
            f"the oldest event that is not stored has waited for "
            f"{_duration(cluster.oldest_seconds)}, and Kafka deletes events after "
            f"{_duration(cluster.retention_seconds)}",
            "have the store take inserts, or raise retention.ms of the events topic until it does",
        )
    if cluster.falls_behind:
        yield warning(
            f"the workers fall behind: the oldest of {cluster.lag:,} messages has waited "
            f"for {_duration(cluster.oldest_seconds)}",
            "see that the store takes inserts; if it does, start another worker",
        )


def _version_findings(cluster: Cluster) -> Iterator[Finding]:
    versions: dict[str, list[str]] = defaultdict(list)
    for member in cluster.members:
        versions[member.heartbeat.version].append(member.name)
    if len(versions) > 1:
        texts = [f"{version}: {_listed(versions[version])}" for version in sorted(versions)]
        yield warning(
            f"members run different versions: {'; '.join(texts)}",
            "upgrade all members, the workers first",
        )


def _member_findings(cluster: Cluster, reporter: str) -> Iterator[Finding]:
    for member in cluster.members:
        beat, difference = member.heartbeat, member.clock_difference
        if beat.trouble and beat.member != reporter:
            waiting = f"; {beat.backlog:,} events wait there" if beat.backlog else ""
            yield warning(f"{member.name}: {beat.trouble}{waiting}", "see its log")
        if abs(difference) > CLOCK_SECONDS:
            direction = "behind" if difference > 0 else "ahead of"
            yield warning(
                f"{member.name}: its clock is {_duration(abs(difference))} {direction} "
                "the broker's",
                "have both follow a time server",
            )


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

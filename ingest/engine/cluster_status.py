"""How far a cluster's workers are, partition by partition."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ingest.engine.cluster import Cluster, Member
from ingest.engine.cluster_findings import cluster_findings
from ingest.engine.finding import Finding, problem, warning

RETENTION_USED: Final = 0.5
"""Share of the retention after which an operator is warned."""

_SHOWN: Final = 8


class PartitionStatus(NamedTuple):
    """A partition of the events topic.

    Attributes:
        partition: Its number.
        owner: The worker that owns it; empty if none does.
        committed: Offset of the first message that is not stored; None if nothing is committed.
        first: Offset of the first message that the topic still has.
        end: Offset after the last message.
        oldest_at: When the first message that is not stored was appended, Unix seconds; None if all
            are stored, or if it is not known.
    """

    partition: int
    owner: str
    committed: int | None
    first: int
    end: int
    oldest_at: float | None = None

    @property
    def next(self) -> int:
        """Offset of the first message to be stored."""
        return self.first if self.committed is None else max(self.committed, self.first)

    @property
    def lag(self) -> int:
        """Messages that are not stored."""
        return max(self.end - self.next, 0)

    @property
    def lost(self) -> int:
        """Messages that the topic has deleted before they were stored."""
        return 0 if self.committed is None else max(self.first - self.committed, 0)


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A cluster at one moment.

    Attributes:
        cluster: What its control topic says; with a record.
        partitions: In order.
        retention_seconds: How long the events topic keeps messages; None if it does not tell, or
            for ever.
        now: Unix seconds.
    """

    cluster: Cluster
    partitions: Sequence[PartitionStatus]
    retention_seconds: float | None
    now: float

    @property
    def members(self) -> list[Member]:
        """Members that run, then those that have fallen silent."""
        return [*self.cluster.members, *self.cluster.silent]

    @property
    def lag(self) -> int:
        """Messages that are not stored."""
        return sum(each.lag for each in self.partitions)

    @property
    def oldest_seconds(self) -> float | None:
        """Age of the oldest event that is not stored; None if all are, or if it is not known."""
        ages = [age for each in self.partitions if (age := self.age(each)) is not None]
        return max(ages, default=None)

    def age(self, partition: PartitionStatus) -> float | None:
        """Age of a partition's oldest event that is not stored, in seconds."""
        return None if partition.oldest_at is None else max(self.now - partition.oldest_at, 0.0)

    def used(self, seconds: float | None) -> float | None:
        """The share of the retention that an age is; None if either is not known."""
        if seconds is None or self.retention_seconds is None:
            return None
        return seconds / self.retention_seconds

    def findings(self) -> list[Finding]:
        """What an operator should know, most severe first."""
        found = [
            *self._retention_findings(),
            *self._offset_findings(),
            *cluster_findings(self.cluster),
        ]
        return sorted(found, key=lambda finding: not finding.severe)

    def _retention_findings(self) -> Iterator[Finding]:
        used = self.used(self.oldest_seconds)
        if used is not None and used >= RETENTION_USED:
            yield warning(
                f"the oldest event that is not stored has used {used:.0%} of the topic's "
                "retention: at 100% it is deleted",
                "see that the store takes inserts and that workers run; until then, raise "
                "retention.ms of the topic",
            )

    def _offset_findings(self) -> Iterator[Finding]:
        lost = [each for each in self.partitions if each.lost]
        if lost:
            yield problem(
                f"{sum(each.lost for each in lost):,} messages were deleted before they were "
                f"stored, of partitions {_listed(lost)}",
                "they are lost; have the topic keep messages for longer than the store may be away",
            )
        beyond = [each for each in self.partitions if (each.committed or 0) > each.end]
        if beyond:
            yield problem(
                f"what is committed is beyond the end of partitions {_listed(beyond)}: the topic "
                "was deleted and made anew",
                "make another cluster with a new KAFKA_PREFIX",
            )

    def to_dict(self) -> dict[str, Any]:
        """As JSON data. Times are Unix seconds, ages seconds."""
        record = self.cluster.record
        return {
            "cluster_id": record.cluster_id if record else None,
            "session_seconds": record.session_seconds if record else None,
            "lag": self.lag,
            "oldest_seconds": self.oldest_seconds,
            "retention_seconds": self.retention_seconds,
            "retention_used": self.used(self.oldest_seconds),
            "members": [self._member(member) for member in self.members],
            "partitions": [self._partition(each) for each in self.partitions],
            "findings": [finding._asdict() for finding in self.findings()],
        }

    def _member(self, member: Member) -> dict[str, Any]:
        beat = member.heartbeat
        return {
            "member": beat.member,
            "role": beat.role,
            "host": beat.host,
            "version": beat.version,
            "events_per_second": beat.events_per_second,
            "last_seen": member.appended_at,
            "running": member in self.cluster.members,
            "backlog": beat.backlog,
            "partitions": sorted(beat.partitions),
            "trouble": beat.trouble,
        }

    def _partition(self, partition: PartitionStatus) -> dict[str, Any]:
        age = self.age(partition)
        return {
            "partition": partition.partition,
            "owner": partition.owner or None,
            "committed": partition.committed,
            "first": partition.first,
            "end": partition.end,
            "lag": partition.lag,
            "oldest_seconds": age,
            "retention_used": self.used(age),
        }


def _listed(partitions: Iterable[PartitionStatus]) -> str:
    found = [str(each.partition) for each in partitions]
    more = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

"""A cluster as its control topic shows it: its record, its members, its imports."""

from collections import deque
from itertools import pairwise
from typing import Final, NamedTuple

from ingest.engine.cluster_record import KEY, ClusterRecord, decode_cluster_record
from ingest.engine.heartbeat import KEY_PREFIX, Heartbeat, cluster_mac, decode_heartbeat
from ingest.engine.topics import EVENTS_RETENTION

IMPORT_PREFIX: Final = b"import:"
"""Begins the keys of imports, followed by the import's id."""

FRESH_SECONDS: Final = 30.0
"""How long after its last heartbeat a member counts as running."""

FORGOTTEN_SECONDS: Final = 86_400.0
"""How long after its last heartbeat a member's key is deleted from the topic."""

CLOCK_SECONDS: Final = 60.0
"""Allowed difference between a member's clock and the broker's."""

SILENT_SECONDS: Final = 600.0
"""How long a member is still shown after its last heartbeat."""

_SAMPLE_SECONDS: Final = 60.0
_SAMPLES: Final = 6
_LATE_SECONDS: Final = 60.0
"""Workers fall behind if the oldest event that is not stored is older than this and has become
older in each of the last five minutes."""


def import_key(import_id: str) -> bytes:
    """The key of an import's state in the control topic."""
    return IMPORT_PREFIX + import_id.encode()


class Member(NamedTuple):
    """A process of the cluster.

    Attributes:
        heartbeat: Its last one.
        appended_at: When the broker appended it, Unix seconds.
    """

    heartbeat: Heartbeat
    appended_at: float

    @property
    def name(self) -> str:
        """What it is called in findings."""
        beat = self.heartbeat
        return f"{beat.role} {beat.host} ({beat.member[:6]})"

    @property
    def clock_difference(self) -> float:
        """Seconds by which the member's clock is behind the broker's; negative if it is ahead.

        The time that the heartbeat travelled is part of it.
        """
        return self.appended_at - self.heartbeat.sent_at


class Cluster:
    """What the control topic has said so far.

    The time is that of the last record that was applied, by the broker's clock.

    Attributes:
        record: The cluster record; None until it was read.
        imports: The state of each import, as fronts have written it, by key.
        log_time: When the broker appended the last applied record, Unix seconds. Whoever has read
            to the end may set it to a later time, to see who has fallen silent since.
        record_trouble: Why the cluster record in the topic cannot be used; empty if it can.
        retention_seconds: How long the events topic keeps messages. Whoever has asked the brokers
            may change it; infinity if nothing is deleted.
    """

    def __init__(self, secret: str | None = None) -> None:
        """Start with nothing read.

        Args:
            secret: `SLUICE_CLUSTER_SECRET`, if this process knows it.
        """
        self.record: ClusterRecord | None = None
        self.imports: dict[bytes, bytes] = {}
        self.log_time = 0.0
        self.retention_seconds = EVENTS_RETENTION / 1000
        self._secret = secret
        self._members: dict[bytes, Member] = {}
        self._ages: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self.record_trouble = ""

    def apply(self, key: bytes, value: bytes | None, append_time: float) -> None:
        """Apply a record of the control topic. What is not understood is left out.

        Args:
            key: Of the record.
            value: Of the record; None deletes the key.
            append_time: When the broker appended it, Unix seconds.
        """
        self.log_time = append_time
        if key == KEY:
            self._apply_record(value)
        elif key.startswith(KEY_PREFIX):
            self._apply_heartbeat(key, value)
        elif key.startswith(IMPORT_PREFIX):
            self._apply_import(key, value)

    def _apply_record(self, value: bytes | None) -> None:
        if value is None:
            self.record_trouble = "the cluster record was deleted"
            return
        try:
            record = decode_cluster_record(value)
        except ValueError as error:
            self.record_trouble = str(error)
            return
        if self.record is None:
            self.record = record
        # What was read first stays in force: the positions and tokens of this process depend on it.
        self.record_trouble = (
            "" if record == self.record else f"the cluster record was replaced by {record}"
        )

    def _apply_import(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.imports.pop(key, None)
        else:
            self.imports[key] = value

    def _apply_heartbeat(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._members.pop(key, None)
            return
        try:
            self._members[key] = Member(decode_heartbeat(value), self.log_time)
        except ValueError:
            return
        self._sample()

    def _sample(self) -> None:
        """Note once a minute how old the oldest event is that is not stored."""
        if self._ages and self.log_time < self._ages[-1][0]:
            self._ages.clear()
        if not self._ages or self.log_time >= self._ages[-1][0] + _SAMPLE_SECONDS:
            self._ages.append((self.log_time, self.oldest_seconds))

    @property
    def members(self) -> list[Member]:
        """The members that run: those with a fresh heartbeat; fronts first, by host and id."""
        return self._heard(0.0, FRESH_SECONDS)

    @property
    def silent(self) -> list[Member]:
        """The members that ended lately without saying so, in the same order."""
        return self._heard(FRESH_SECONDS, SILENT_SECONDS)

    def _heard(self, after: float, before: float) -> list[Member]:
        """Members whose last heartbeat is older than the first and not than the second age."""
        found = [
            member
            for member in self._members.values()
            if self.log_time - before <= member.appended_at
            and (after <= 0 or member.appended_at < self.log_time - after)
        ]
        return sorted(found, key=lambda m: (m.heartbeat.role, m.heartbeat.host, m.heartbeat.member))

    @property
    def fronts(self) -> int:
        """How many fronts share the limits of sites; at least 1."""
        return max(1, sum(member.heartbeat.role == "front" for member in self.members))

    @property
    def owners(self) -> dict[int, Member]:
        """The owner of each partition that has one.

        While a partition moves, two may name it: the later heartbeat counts.
        """
        return {
            partition: member
            for member in sorted(self.members, key=lambda member: member.appended_at)
            for partition in member.heartbeat.partitions
        }

    @property
    def unowned(self) -> list[int]:
        """The partitions without an owner."""
        owners = self.owners
        partitions = 0 if self.record is None else self.record.partitions
        return [partition for partition in range(partitions) if partition not in owners]

    @property
    def lags(self) -> dict[int, int]:
        """Messages that are not stored, for each partition with an owner."""
        return {
            partition: member.heartbeat.partitions[partition]
            for partition, member in self.owners.items()
        }

    @property
    def lag(self) -> int:
        """Messages that the workers have not stored."""
        return sum(self.lags.values())

    @property
    def backlog(self) -> int:
        """Events that the fronts have not forwarded."""
        return sum(member.heartbeat.backlog for member in self.members)

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest event that no worker has stored; 0 if there is none."""
        return max((member.heartbeat.oldest_seconds or 0.0 for member in self.members), default=0.0)

    @property
    def late(self) -> bool:
        """Whether the workers are behind."""
        return self.oldest_seconds > _LATE_SECONDS

    @property
    def falls_behind(self) -> bool:
        """Whether the workers are behind, and the oldest event has become older each minute."""
        ages = [age for _, age in self._ages]
        grows = all(earlier < later for earlier, later in pairwise(ages))
        return len(ages) == _SAMPLES and grows and self.late

    @property
    def with_other_secret(self) -> list[Member]:
        """Members whose secret is not ours or, if we have none, not that of most others."""
        known = [member for member in self.members if member.heartbeat.mac]
        macs = [member.heartbeat.mac for member in known]
        if not macs:
            return []
        ours = max(macs, key=macs.count)
        if self._secret is not None and self.record is not None:
            ours = cluster_mac(self._secret, self.record.cluster_id)
        return [member for member in known if member.heartbeat.mac != ours]

    @property
    def forgotten(self) -> list[bytes]:
        """Keys of members that ended long ago, to be deleted from the topic."""
        earliest = self.log_time - FORGOTTEN_SECONDS
        return [key for key, member in self._members.items() if member.appended_at < earliest]

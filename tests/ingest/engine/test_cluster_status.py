import json
from typing import Final

import pytest

from ingest.engine.cluster import Cluster
from ingest.engine.cluster_record import KEY, ClusterRecord, encode_cluster_record
from ingest.engine.cluster_status import ClusterStatus, PartitionStatus
from ingest.engine.heartbeat import Heartbeat, encode_heartbeat

NOW: Final = 1_800_000_000.0
RETENTION: Final = 172_800.0


def cluster(partitions: int = 2) -> Cluster:
    found = Cluster()
    record = ClusterRecord("00c0ffee00c0ffee", partitions, 1800)
    found.apply(KEY, encode_cluster_record(record), NOW - 500)
    for host, ago in (("old", 400.0), ("new", 5.0)):
        beat = Heartbeat(host, "worker", host, "1", NOW - ago, 12.5, partitions={0: 3, 1: 0})
        found.apply(beat.key, encode_heartbeat(beat), NOW - ago)
    found.log_time = NOW
    return found


def status(*partitions: PartitionStatus, retention: float | None = RETENTION) -> ClusterStatus:
    return ClusterStatus(cluster(), partitions, retention, NOW)


@pytest.mark.parametrize(
    ("committed", "first", "end", "lag", "lost", "following"),
    [
        (None, 0, 0, 0, 0, 0),
        (None, 3, 10, 7, 0, 3),
        (4, 0, 10, 6, 0, 4),
        (10, 10, 10, 0, 0, 10),
        (4, 7, 10, 3, 3, 7),
        (20, 0, 10, 0, 0, 20),
    ],
)
def test_lag_and_losses_of_a_partition(
    committed: int | None, first: int, end: int, lag: int, lost: int, following: int
) -> None:
    partition = PartitionStatus(0, "", committed, first, end)
    assert (partition.lag, partition.lost, partition.next) == (lag, lost, following)


def test_the_oldest_event_of_all_partitions() -> None:
    found = status(
        PartitionStatus(0, "w", 1, 0, 4, NOW - 60),
        PartitionStatus(1, "w", 9, 0, 10, NOW - 1728),
    )
    assert found.lag == 4
    assert found.oldest_seconds == 1728
    assert found.used(found.oldest_seconds) == pytest.approx(0.01)
    assert found.findings() == []


def test_a_topic_that_tells_no_retention() -> None:
    found = status(PartitionStatus(0, "w", 1, 0, 4, NOW - 60), retention=None)
    assert found.used(found.oldest_seconds) is None


def test_members_that_run_come_before_the_silent_ones() -> None:
    assert [member.heartbeat.host for member in status().members] == ["new", "old"]


@pytest.mark.parametrize(
    ("partition", "severe", "text"),
    [
        (PartitionStatus(0, "w", 1, 0, 4, NOW - 86_400), False, "has used 50% of the topic's"),
        (PartitionStatus(3, "w", 1, 5, 9), True, "4 messages were deleted before they were stored"),
        (PartitionStatus(3, "w", 9, 0, 4), True, "beyond the end of partitions 3"),
    ],
)
def test_findings(partition: PartitionStatus, severe: bool, text: str) -> None:
    (finding,) = status(partition).findings()
    assert finding.severe is severe
    assert text in finding.text


def test_as_json() -> None:
    found = json.loads(json.dumps(status(PartitionStatus(0, "", None, 0, 4, NOW - 60)).to_dict()))
    assert found["cluster_id"] == "00c0ffee00c0ffee"
    assert [(each["host"], each["running"]) for each in found["members"]] == [
        ("new", True),
        ("old", False),
    ]
    assert found["partitions"] == [
        {
            "partition": 0,
            "owner": None,
            "committed": None,
            "first": 0,
            "end": 4,
            "lag": 4,
            "oldest_seconds": 60.0,
            "retention_used": 60 / RETENTION,
        }
    ]

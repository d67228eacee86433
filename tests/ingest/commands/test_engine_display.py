from ingest.commands.engine_display import status_lines
from ingest.engine.cluster import Cluster
from ingest.engine.cluster_status import ClusterStatus, PartitionStatus
from tests.ingest.engine.test_cluster_status import NOW, status


def test_members_partitions_and_findings() -> None:
    shown = status(
        PartitionStatus(0, "worker new (new)", 1_000, 0, 1_004, NOW - 3600),
        PartitionStatus(1, "", None, 0, 0),
    )
    lines = list(status_lines(shown, lambda level, word: word))
    assert lines == [
        "cluster 00c0ffee00c0ffee: 2 partitions, visits end after 30 minutes",
        "",
        "role    host  member  version  events/s  last seen  trouble",
        "worker  new   new     1        12.5      5 s ago",
        "worker  old   old     1        12.5      7 min ago",
        "",
        "partition  owner             committed  end    lag  oldest  retention used",
        "0          worker new (new)  1,000      1,004  4    60 min  2.1%",
        "1          -                 -          0      0    -       -",
        "",
        "messages not stored: 4; age of the oldest: 60 min; retention used: 2.1%",
    ]


def test_findings_come_last() -> None:
    *_, text, advice = status_lines(
        status(PartitionStatus(0, "w", 9, 0, 4)), lambda level, word: f"<{word}>"
    )
    assert text.startswith("<problem>  what is committed is beyond the end")
    assert advice.startswith("         → make another cluster")


def test_without_members() -> None:
    shown = ClusterStatus(Cluster(), [], None, NOW)
    assert "no member has been seen for 10 min" in list(status_lines(shown, lambda _, word: word))

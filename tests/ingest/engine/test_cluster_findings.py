import math

import pytest
from msgspec.structs import replace

from ingest.engine.cluster import Cluster
from ingest.engine.cluster_findings import cluster_findings
from ingest.engine.cluster_record import KEY
from ingest.engine.heartbeat import Heartbeat
from tests.examples import NOON
from tests.ingest.engine.test_cluster import (
    OTHER_MAC,
    SECRET,
    a_cluster,
    a_front,
    a_worker,
    beat,
    with_ages,
)


def test_a_cluster_without_trouble_has_no_findings() -> None:
    assert cluster_findings(a_cluster(a_front(), a_front("f2"), a_worker())) == []


@pytest.mark.parametrize(
    ("heartbeats", "severe", "text"),
    [
        pytest.param(
            [a_front(), a_front("f2", mac=OTHER_MAC), a_worker()],
            True,
            "SLUICE_CLUSTER_SECRET differs: front web (f2)",
            id="another secret",
        ),
        pytest.param(
            [a_front()],
            False,
            "no worker owns a partition: nothing is stored",
            id="no worker",
        ),
        pytest.param(
            [a_front(), a_worker("w1", [0, 2])],
            False,
            "partitions without a worker: 1, 3",
            id="partitions without a worker",
        ),
        pytest.param(
            [replace(a_front(), version="1.1"), a_worker()],
            False,
            "members run different versions: 1.0: worker back (w1); 1.1: front web (f1)",
            id="two versions",
        ),
        pytest.param(
            [a_front(trouble="message too large", backlog=1200), a_worker()],
            False,
            "front web (f1): message too large; 1,200 events wait there",
            id="a front that cannot forward",
        ),
        pytest.param(
            [a_front(), a_worker(trouble="partition 3 is paused: message version 2")],
            False,
            "worker back (w1): partition 3 is paused: message version 2",
            id="a worker that cannot go on",
        ),
        pytest.param(
            [a_front(sent_at=NOON - 61), a_worker()],
            False,
            "front web (f1): its clock is 61 s behind the broker's",
            id="a clock behind",
        ),
        pytest.param(
            [a_front(sent_at=NOON + 600), a_worker()],
            False,
            "front web (f1): its clock is 10 min ahead of the broker's",
            id="a clock ahead",
        ),
        pytest.param(
            [a_front(sent_at=NOON + 7200), a_worker()],
            False,
            "front web (f1): its clock is 2 h ahead of the broker's",
            id="a clock far ahead",
        ),
    ],
)
def test_findings(heartbeats: list[Heartbeat], severe: bool, text: str) -> None:
    (finding,) = cluster_findings(a_cluster(*heartbeats))

    assert (finding.severe, finding.text) == (severe, text)
    assert finding.advice


def test_a_member_that_asks_knows_its_own_trouble() -> None:
    cluster = a_cluster(a_front("f1", trouble="x"), a_front("f2", trouble="y"), a_worker())

    (finding,) = cluster_findings(cluster, reporter="f1")

    assert finding.text == "front web (f2): y"


@pytest.mark.parametrize(
    ("oldest", "retention", "found"),
    [
        (86_400, None, []),
        (86_401, None, ["waited for 24 h, and Kafka deletes events after 48 h"]),
        (3_601, 7_200, ["waited for 60 min, and Kafka deletes events after 2 h"]),
        (86_401, math.inf, []),
    ],
)
def test_retention_that_runs_out(oldest: float, retention: float | None, found: list[str]) -> None:
    cluster = a_cluster(a_front(), a_worker(oldest_seconds=oldest))
    if retention is not None:
        cluster.retention_seconds = retention

    findings = cluster_findings(cluster)

    assert [finding.text.partition("has ")[2] for finding in findings] == found
    assert not any(finding.severe for finding in findings)


def test_severe_findings_come_first() -> None:
    cluster = a_cluster(a_front(trouble="x", mac=OTHER_MAC))

    assert [finding.severe for finding in cluster_findings(cluster)] == [True, False, False]


def test_before_the_record_is_read_nothing_is_said_of_partitions() -> None:
    cluster = Cluster(SECRET)

    beat(cluster, a_front())

    assert cluster_findings(cluster) == []


def test_many_members_are_not_all_named() -> None:
    fronts = [a_front(f"f{n}", mac=OTHER_MAC) for n in range(1, 11)]

    (finding,) = cluster_findings(a_cluster(*fronts, a_worker()))

    assert finding.text.endswith(" front web (f6), front web (f7) and 2 more")


def test_a_record_that_cannot_be_used() -> None:
    cluster = a_cluster(a_front(), a_worker())

    cluster.apply(KEY, None, NOON)

    (finding,) = cluster_findings(cluster)
    assert (finding.severe, finding.text) == (True, "the cluster record was deleted")
    assert "sluice engine create" in finding.advice


def test_workers_that_fall_behind() -> None:
    (finding,) = cluster_findings(with_ages([20, 40, 60, 80, 100, 120]))

    assert finding.text == (
        "the workers fall behind: the oldest of 1,200 messages has waited for 2 min"
    )

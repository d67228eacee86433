from ingest.engine.cluster import Cluster
from ingest.engine.cluster_figures import show_cluster
from ingest.telemetry.metrics import Metrics
from tests.ingest.engine.test_cluster import a_cluster, a_front, a_worker, beat


def shown(cluster: Cluster) -> dict[str, float]:
    """The gauges of a cluster, by name and label."""
    metrics = Metrics(lambda domain: False)
    show_cluster(metrics, lambda: cluster)
    lines = metrics.exposition().decode().splitlines()
    pairs = [line.split(" ") for line in lines if line.startswith("sluice_cluster_")]
    return {name.removeprefix("sluice_cluster_"): float(value) for name, value in pairs}


def test_a_cluster_at_work() -> None:
    cluster = a_cluster(a_front(backlog=7), a_front("f2", backlog=5))
    beat(cluster, a_worker(partitions={0: 2, 2: 30}, oldest_seconds=4.5))
    assert shown(cluster) == {
        'lag_messages{partition="0"}': 2,
        'lag_messages{partition="2"}': 30,
        "oldest_event_seconds": 4.5,
        "backlog_events": 12,
        "partitions_unowned": 2,
        "findings": 1,
        'members{role="front"}': 2,
        'members{role="worker"}': 1,
    }


def test_a_cluster_of_which_nothing_is_known() -> None:
    assert shown(Cluster()) == {
        "oldest_event_seconds": 0,
        "backlog_events": 0,
        "partitions_unowned": 0,
        "findings": 0,
        'members{role="front"}': 0,
        'members{role="worker"}': 0,
    }

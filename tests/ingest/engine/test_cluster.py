from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.engine.cluster import FORGOTTEN_SECONDS, FRESH_SECONDS, SILENT_SECONDS, Cluster
from ingest.engine.cluster_record import (
    KEY,
    ClusterRecord,
    encode_cluster_record,
    new_cluster_record,
)
from ingest.engine.heartbeat import Heartbeat, cluster_mac, encode_heartbeat
from tests.examples import NOON

SECRET = "a secret of the cluster, 32 long"
OTHER_SECRET = "another secret, just as long, 32"
RECORD = ClusterRecord("00c0ffee00c0ffee", 4, 1800)
MAC = cluster_mac(SECRET, RECORD.cluster_id)
OTHER_MAC = cluster_mac(OTHER_SECRET, RECORD.cluster_id)


def a_front(member: str = "f1", **changes: Any) -> Heartbeat:
    fields: dict[str, Any] = {"sent_at": NOON, "mac": MAC} | changes
    return Heartbeat(member, "front", "web", "1.0", **fields)


def a_worker(member: str = "w1", owned: Iterable[int] = range(4), **changes: Any) -> Heartbeat:
    fields: dict[str, Any] = {"sent_at": NOON, "partitions": dict.fromkeys(owned, 0)} | changes
    return Heartbeat(member, "worker", "back", "1.0", **fields)


def a_cluster(*heartbeats: Heartbeat, secret: str | None = SECRET) -> Cluster:
    cluster = Cluster(secret)
    cluster.apply(KEY, encode_cluster_record(RECORD), NOON - 86_400)
    for heartbeat in heartbeats:
        beat(cluster, heartbeat)
    return cluster


def beat(cluster: Cluster, heartbeat: Heartbeat, time: float = NOON) -> None:
    cluster.apply(heartbeat.key, encode_heartbeat(heartbeat), time)


def names(cluster: Cluster) -> list[str]:
    return [member.heartbeat.member for member in cluster.members]


def test_knows_the_record() -> None:
    assert Cluster().record is None
    assert a_cluster().record == RECORD


def test_knows_the_imports() -> None:
    cluster = a_cluster()
    for value in (b"begun", b"done"):
        cluster.apply(b"import:a", value, NOON)
    cluster.apply(b"import:b", b"begun", NOON)
    assert cluster.imports == {b"import:a": b"done", b"import:b": b"begun"}
    cluster.apply(b"import:a", None, NOON)
    cluster.apply(b"import:c", None, NOON)
    assert list(cluster.imports) == [b"import:b"]


def test_members_run_as_long_as_their_heartbeats_are_fresh() -> None:
    cluster = a_cluster(a_worker(), a_front("f2"), a_front("f1"))
    assert names(cluster) == ["f1", "f2", "w1"]

    beat(cluster, a_front("f1"), NOON + FRESH_SECONDS)
    assert names(cluster) == ["f1", "f2", "w1"]

    beat(cluster, a_front("f1"), NOON + FRESH_SECONDS + 1)
    assert names(cluster) == ["f1"]


def test_members_that_fell_silent_are_known_for_a_while() -> None:
    cluster = a_cluster(a_front("f1"), a_worker())
    for seconds, running, silent in [
        (FRESH_SECONDS, ["f1", "w1"], []),
        (FRESH_SECONDS + 1, [], ["f1", "w1"]),
        (SILENT_SECONDS, [], ["f1", "w1"]),
        (SILENT_SECONDS + 1, [], []),
    ]:
        cluster.log_time = NOON + seconds
        assert names(cluster) == running
        assert [member.heartbeat.member for member in cluster.silent] == silent


def test_a_member_that_ends_well_deletes_its_key() -> None:
    cluster = a_cluster(a_front("f1"), a_front("f2"))

    cluster.apply(a_front("f1").key, None, NOON)
    cluster.apply(a_front("f3").key, None, NOON)

    assert names(cluster) == ["f2"]


def test_time_may_be_set_by_who_has_read_to_the_end() -> None:
    cluster = a_cluster(a_front())

    cluster.log_time = NOON + FRESH_SECONDS + 1

    assert cluster.members == []


def test_a_clock_of_a_broker_that_was_ahead_hides_no_member_for_long() -> None:
    cluster = Cluster()
    beat(cluster, a_front("f1"), NOON + 3600)

    beat(cluster, a_front("f2"), NOON)

    assert names(cluster) == ["f1", "f2"]


def test_members_that_ended_long_ago_can_be_deleted() -> None:
    cluster = a_cluster(a_front("f1"), a_front("f2"))

    beat(cluster, a_front("f2"), NOON + FORGOTTEN_SECONDS + 1)

    assert cluster.forgotten == [a_front("f1").key]


@pytest.mark.parametrize(
    ("heartbeats", "fronts"),
    [([], 1), ([a_worker()], 1), ([a_front("f1"), a_front("f2"), a_worker()], 2)],
)
def test_fronts_that_share_limits(heartbeats: list[Heartbeat], fronts: int) -> None:
    assert a_cluster(*heartbeats).fronts == fronts


def test_owners_and_lag() -> None:
    cluster = a_cluster()
    beat(cluster, a_worker("w1", partitions={0: 3, 1: 4}, oldest_seconds=2.5))
    beat(cluster, a_worker("w2", partitions={1: 0, 2: 5}), NOON + 1)

    owners = {partition: member.heartbeat.member for partition, member in cluster.owners.items()}
    assert owners == {0: "w1", 1: "w2", 2: "w2"}
    assert cluster.lags == {0: 3, 1: 0, 2: 5}
    assert (cluster.lag, cluster.oldest_seconds) == (8, 2.5)
    assert cluster.unowned == [3]


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"heartbeat:x", b"no heartbeat"), (b"later:x", b"{}"), (b"", b""), (b"\xff", None)],
)
def test_what_is_not_understood_is_left_out(key: bytes, value: bytes | None) -> None:
    cluster = a_cluster(a_front(), a_worker())

    cluster.apply(key, value, NOON)

    assert (names(cluster), cluster.record_trouble) == (["f1", "w1"], "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (encode_cluster_record(new_cluster_record(4, 30)), "the cluster record was replaced by"),
        (encode_cluster_record(RECORD).replace(b'"format":1', b'"format":2'), "format 2 is not"),
        (b"?", "not a cluster record"),
        (None, "the cluster record was deleted"),
    ],
)
def test_the_record_that_was_read_first_stays(value: bytes | None, text: str) -> None:
    cluster = a_cluster(a_front(), a_worker())

    cluster.apply(KEY, value, NOON)

    assert text in cluster.record_trouble
    assert cluster.record == RECORD

    cluster.apply(KEY, encode_cluster_record(RECORD), NOON)
    assert cluster.record_trouble == ""


def test_who_has_no_secret_compares_the_members_with_each_other() -> None:
    fronts = [a_front("f1"), a_front("f2"), a_front("f3", mac=OTHER_MAC)]

    (other,) = a_cluster(*fronts, a_worker(), secret=None).with_other_secret

    assert other.name == "front web (f3)"


def with_ages(ages: list[float], *, start: float = NOON) -> Cluster:
    """A cluster in which a worker's oldest events have had these ages, a minute apart."""
    cluster = a_cluster()
    for minute, age in enumerate(ages):
        worker = a_worker(partitions=dict.fromkeys(range(4), 300), oldest_seconds=age)
        beat(cluster, replace(worker, sent_at=start + 60 * minute), start + 60 * minute)
    return cluster


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        pytest.param([20, 40, 60, 80, 100, 120], True, id="older each minute"),
        pytest.param([9, 20, 40, 60, 80, 100, 120], True, id="for longer"),
        pytest.param([20, 40, 60, 80, 100], False, id="not long enough"),
        pytest.param([20, 40, 60, 50, 100, 120], False, id="it recovered between"),
        pytest.param([120, 100, 80, 60, 40, 20], False, id="they catch up"),
        pytest.param([1, 2, 3, 4, 5, 6], False, id="not old"),
    ],
)
def test_workers_that_fall_behind(ages: list[float], expected: bool) -> None:
    assert with_ages(ages).falls_behind is expected


def test_a_time_that_steps_back_begins_anew() -> None:
    cluster = a_cluster()
    for minute, age in enumerate([20, 40, 60, 80, 100]):
        beat(cluster, a_worker(oldest_seconds=age), NOON + 60 * minute)
    beat(cluster, a_worker(oldest_seconds=120), NOON)

    assert not cluster.falls_behind

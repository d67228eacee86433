from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.engine.partitioning import Partitioner
from ingest.sessions.visitor import identity

SECRET = "a secret of the cluster, 32 long"
VISITOR = ("Mozilla/5.0", "192.0.2.1", "example.com", "www.example.com")
VISITORS = [
    identity("Mozilla/5.0", f"10.0.{n // 256}.{n % 256}", "a.com", "a.com") for n in range(6400)
]

PUBLISHED = [61, 50, 45, 54, 25, 52, 14, 28]


def test_partitions_stay_the_same_in_every_process_and_version() -> None:
    partitioner = Partitioner(SECRET, 64)

    assert [partitioner.partition_of(visitor) for visitor in VISITORS[:8]] == PUBLISHED


@given(st.binary(), st.integers(1, 4096))
def test_every_visitor_has_a_partition(visitor: bytes, partitions: int) -> None:
    assert 0 <= Partitioner(SECRET, partitions).partition_of(visitor) < partitions


def test_hosts_of_one_registrable_domain_share_a_partition() -> None:
    partitioner = Partitioner(SECRET, 4096)

    assert partitioner.partition_of(identity(*VISITOR)) == partitioner.partition_of(
        identity(*VISITOR[:3], "blog.example.com")
    )


@pytest.mark.parametrize("changed", range(4), ids=["user agent", "address", "domain", "hostname"])
def test_every_part_counts(changed: int) -> None:
    parts = list(VISITOR)
    parts[changed] += ".org"

    partitioner = Partitioner(SECRET, 4096)

    assert partitioner.partition_of(identity(*parts)) != partitioner.partition_of(
        identity(*VISITOR)
    )


def test_visitors_are_spread_evenly() -> None:
    partitioner = Partitioner(SECRET, 64)

    sizes = Counter(map(partitioner.partition_of, VISITORS))

    assert len(sizes) == 64
    assert max(sizes.values()) < 150  # 100 on average, with a deviation of 10


def test_another_secret_spreads_differently() -> None:
    one, other = Partitioner(SECRET, 64), Partitioner(SECRET + "!", 64)

    same = sum(one.partition_of(visitor) == other.partition_of(visitor) for visitor in VISITORS)

    assert same < 200  # 100 on average

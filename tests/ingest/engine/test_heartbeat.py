import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.engine.heartbeat import (
    Heartbeat,
    cluster_mac,
    decode_heartbeat,
    encode_heartbeat,
    new_member,
)
from tests.examples import NOON

SECRET = "a secret of the cluster, 32 long"
FRONT = Heartbeat("m1", "front", "web-1", "1.0", NOON)
TEXTS = st.text(max_size=9)
NUMBERS = st.integers(0, 2**60)


@given(
    st.builds(
        Heartbeat,
        member=TEXTS,
        role=st.sampled_from(["front", "worker"]),
        host=TEXTS,
        version=TEXTS,
        sent_at=st.floats(0, 2**33),
        events_per_second=st.floats(0, 1e9),
        mac=TEXTS,
        trouble=TEXTS,
        backlog=NUMBERS,
        partitions=st.dictionaries(st.integers(0, 4095), NUMBERS, max_size=3),
        oldest_seconds=st.none() | st.floats(0, 1e9),
    )
)
def test_reads_what_was_written(heartbeat: Heartbeat) -> None:
    assert decode_heartbeat(encode_heartbeat(heartbeat)) == heartbeat


def test_fields_of_later_versions_are_ignored() -> None:
    document = json.loads(encode_heartbeat(FRONT)) | {"load": 0.5}

    assert decode_heartbeat(json.dumps(document).encode()) == FRONT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        encode_heartbeat(FRONT).replace(b'"front"', b'"rear"'),
        encode_heartbeat(FRONT).replace(str(NOON).encode(), b'"noon"'),
    ],
)
def test_refuses_what_is_no_heartbeat(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a heartbeat"):
        decode_heartbeat(data)


def test_the_key_is_that_of_the_member() -> None:
    assert FRONT.key == b"heartbeat:m1"


def test_the_lag_is_that_of_all_partitions() -> None:
    worker = Heartbeat("m2", "worker", "w", "1.0", NOON, partitions={0: 3, 7: 4})

    assert (worker.lag, FRONT.lag) == (7, 0)


def test_members_have_random_ids() -> None:
    assert new_member() != new_member()


def test_the_mac_depends_on_secret_and_cluster_and_shows_neither() -> None:
    macs = {cluster_mac(secret, name) for secret in (SECRET, SECRET + "!") for name in "ab"}

    assert len(macs) == 4
    assert cluster_mac(SECRET, "a") == "21e19751f75366adcd1fa4a126b7466a"

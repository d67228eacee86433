"""The brokers that tests start."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.brokers import WAIT_SECONDS, Brokers, java_hash, require_kafka
from tests.cluster.node import ROOT


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_no_node_outlives_the_process_that_started_it(end: signal.Signals, tmp_path: Path) -> None:
    require_kafka()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.brokers", "--count", "1"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        try:
            line = started.stdout.readline()
        finally:
            started.send_signal(end)
        started.wait()
    found = re.fullmatch(r"KAFKA_BROKERS=127\.0\.0\.1:(\d+)\n", line)
    assert found is not None, line
    deadline = time.monotonic() + WAIT_SECONDS
    with suppress(OSError):
        while time.monotonic() < deadline:
            socket.create_connection(("127.0.0.1", int(found[1])), timeout=5).close()
            time.sleep(0.1)
        pytest.fail("the node still runs")


def test_a_killed_node_hands_over_its_partitions_and_catches_up(
    brokers: Brokers, name: str
) -> None:
    brokers.create_topic(name)
    leader = brokers.leader(name)
    brokers.kill(leader)
    assert brokers.leader(name) != leader
    brokers.start(leader)
    partition = brokers.admin.list_topics(name).topics[name].partitions[0]
    assert set(partition.isrs) == set(brokers.numbers)


def test_java_hash() -> None:
    assert java_hash("hello") == 99_162_322
    assert java_hash("chaos.sluice-workers") < 2**31

"""Workers on real brokers, killed and paused."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from confluent_kafka import Producer

from ingest.engine.message import encode_message
from ingest.engine.topics import topic_names
from ingest.model.event import EnrichedEvent, Visitor
from ingest.records.encoding import encode
from ingest.rows.schema import TABLES
from tests.cluster.brokers import WAIT_SECONDS, Brokers
from tests.cluster.node import ROOT
from tests.cluster.worker_process import SqliteStore
from tests.examples import an_enriched_event

PARTITIONS = 4
CLUSTER = "0123456789abcdef"
SESSION_ID = [column.name for column in TABLES["sessions_v2"].inserted].index("session_id")


class Cluster:
    """The topics, a front, and workers."""

    def __init__(self, brokers: Brokers, name: str, directory: Path) -> None:
        self.prefix = f"{name}-"
        self.names = topic_names(self.prefix)
        self.brokers = brokers
        self.database = directory / "store.sqlite"
        self.store = SqliteStore(self.database)
        settings = {"message.timestamp.type": "LogAppendTime"}
        brokers.create_topic(self.names.events, PARTITIONS, settings)
        brokers.create_topic(self.names.checkpoints, PARTITIONS)
        brokers.create_topic(self.names.letters)
        self.producer = Producer({**brokers.options(), "acks": "all", "linger.ms": 5})
        self.positions: Counter[int] = Counter()
        self.sent = 0
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        arguments = [self.brokers.addresses(), self.prefix, CLUSTER, str(PARTITIONS)]
        self.workers.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.cluster.worker_process", *arguments, self.database],
                cwd=ROOT,
            )
        )

    def produce(self, events: int) -> None:
        for number in range(self.sent, self.sent + events):
            visitor = number % 50
            partition = visitor % PARTITIONS
            form, body = encode(self._event(number, visitor))
            entry = (self.positions[partition], form, body)
            self.positions[partition] += 1
            self.producer.produce(
                self.names.events, encode_message(7, [entry]), partition=partition
            )
        self.sent += events
        assert self.producer.flush(WAIT_SECONDS) == 0

    def _event(self, number: int, visitor: int) -> EnrichedEvent:
        now = int(time.time())
        return an_enriched_event(
            nonce=number + 1,
            visitor=Visitor(visitor + 1, None),
            pathname=f"/{number}",
            timestamp=now,
            received=now,
        )

    def stored(self) -> int:
        return len(self.store.rows().get("events_v2", []))

    def wait_for(self, events: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while self.stored() < events:
            assert time.monotonic() < deadline, f"{self.stored()} of {events} events are stored"
            assert any(worker.poll() is None for worker in self.workers)
            time.sleep(0.2)

    def check(self) -> None:
        rows = self.store.rows()
        assert Counter(row[6] for row in rows["events_v2"]) == Counter(
            f"/{number}" for number in range(self.sent)
        )
        states: Counter[object] = Counter()
        for row in rows["sessions_v2"]:
            states[row[SESSION_ID]] += row[1]
        assert set(states.values()) == {1}
        assert len(states) == 50

    def terminate(self) -> list[int]:
        """Have the workers end in order; returns how each of them ended."""
        deadline = time.monotonic() + WAIT_SECONDS
        for worker in self.workers:
            started = self.database.with_name(f"{worker.pid}.started")
            while worker.poll() is None and not started.exists():
                assert time.monotonic() < deadline, "a worker does not start"
                time.sleep(0.1)
            worker.terminate()
        return [worker.wait(WAIT_SECONDS) for worker in self.workers]

    def end(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                os.kill(worker.pid, signal.SIGCONT)
                worker.kill()
            worker.wait()


def test_workers_take_over_from_each_other(brokers: Brokers, name: str, tmp_path: Path) -> None:
    """Some are killed, one is paused for longer than its session, and the last end in order."""
    cluster = Cluster(brokers, name, tmp_path)
    random = Random(1)  # noqa: S311
    try:
        cluster.start()
        cluster.start()
        cluster.produce(200)
        cluster.wait_for(200)
        for step in range(6):
            for _ in range(10):
                cluster.produce(20)
                time.sleep(random.random() / 5)
            running = [worker for worker in cluster.workers if worker.poll() is None]
            if step % 3 == 2:
                os.kill(running[-1].pid, signal.SIGSTOP)
                cluster.wait_for(cluster.sent)
                cluster.produce(50)
                os.kill(running[-1].pid, signal.SIGCONT)
            else:
                running[0].kill()
                cluster.start()
        cluster.wait_for(cluster.sent)
        ends = cluster.terminate()
        assert set(ends) <= {0, -signal.SIGKILL}
        assert ends.count(0) == 2
        cluster.check()
    finally:
        cluster.end()

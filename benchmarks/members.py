"""A cluster on loopback to be measured: three brokers, a ClickHouse server, fronts and workers."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec

from benchmarks.servers import ROOT, Server, cpu_seconds, sluice
from ingest.engine.gatherer import GatheredMessage
from ingest.engine.plan import CheckpointPlace, decode_plan
from ingest.engine.topics import topic_names
from tests.cluster.brokers import Brokers
from tests.end_to_end.clickhouse_server import ClickHouseServer

ANSWER_SECONDS: Final = 60.0
WAIT_SECONDS: Final = 300.0
"""Limit of all waiting, generous enough for a busy machine."""

LOOK_SECONDS: Final = 0.2


class Servers:
    """The brokers and the store, which several clusters use in turn. A context manager."""

    def __init__(self, directory: Path) -> None:
        """Prepare everything in a directory without starting it."""
        self.directory = directory
        self.brokers = Brokers(directory / "kafka")
        self.clickhouse = ClickHouseServer(directory / "clickhouse")
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start everything."""
        with ExitStack() as stack:
            stack.enter_context(self.clickhouse)
            stack.enter_context(self.brokers)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self._stack.close()

    def broker_seconds(self) -> float:
        """Return the CPU time of all brokers so far."""
        return sum(cpu_seconds(self.brokers.pid(number)) for number in self.brokers.numbers)

    def store_seconds(self) -> float:
        """Return the CPU time of ClickHouse so far."""
        return cpu_seconds(self.clickhouse.pid)


class Members:
    """The topics of one cluster, and the processes that use them.

    Attributes:
        names: The names of the topics and the group.
        partitions: Number of partitions of the events.
        database: Name of the database.
    """

    def __init__(self, servers: Servers, name: str, partitions: int) -> None:
        """Create the topics.

        Args:
            servers: The brokers and the store, running.
            name: Of the database, and before the names of topics.
            partitions: Number of partitions of the events.
        """
        self.names = topic_names(f"{name}.")
        self.partitions = partitions
        self.database = name
        self._servers = servers
        self._settings = {
            "KAFKA_BROKERS": servers.brokers.addresses(),
            "KAFKA_PREFIX": f"{name}.",
            "SLUICE_CLUSTER_SECRET": secrets.token_hex(32),
        }
        self._started = 0
        subprocess.run(  # noqa: S603
            [sys.executable, "-m", "ingest", "engine", "create", "--partitions", str(partitions)],
            cwd=servers.directory,
            env={**os.environ, **self._settings, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            check=True,
        )

    @contextmanager
    def front(self, **settings: str) -> Iterator[Server]:
        """Run a front; it is ready."""
        with self._member("front", settings) as server:
            until(lambda: server.ready()["status"] == "ok")
            yield server

    @contextmanager
    def worker(self, **settings: str) -> Iterator[Server]:
        """Run a worker; it answers, but need not own partitions."""
        store = {"CLICKHOUSE_URL": self._servers.clickhouse.url(self.database)}
        with self._member("worker", store | settings) as server:
            yield server

    @contextmanager
    def _member(self, role: str, settings: Mapping[str, str]) -> Iterator[Server]:
        self._started += 1
        directory = self._servers.directory / f"{self.database}-{role}-{self._started}"
        with sluice(directory, None, role, **self._settings, **settings) as server:
            yield server

    def lag(self) -> int:
        """Return the number of messages in the topic that no worker has stored."""
        admin = self._servers.brokers.admin
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        ends = admin.list_offsets(
            {TopicPartition(self.names.events, each): latest for each in range(self.partitions)}
        )
        committed = self._committed()
        return sum(
            end.result(ANSWER_SECONDS).offset - max(committed.get(place.partition, (0, ""))[0], 0)
            for place, end in ends.items()
        )

    def checkpoint(self, partition: int) -> CheckpointPlace | None:
        """Return the checkpoint that the last commit of a partition names."""
        offset, plan = self._committed().get(partition, (-1, ""))
        return None if offset < 0 else decode_plan(plan).checkpoint

    def _committed(self) -> dict[int, tuple[int, str]]:
        places = [TopicPartition(self.names.events, each) for each in range(self.partitions)]
        options = {**self._servers.brokers.options(), "group.id": self.names.workers}
        with Consumer(options) as consumer:
            committed = consumer.committed(places, ANSWER_SECONDS)
        return {place.partition: (place.offset, place.metadata or "") for place in committed}

    def produce(self, messages: list[GatheredMessage]) -> None:
        """Send messages to the topic in place of a front."""
        producer = Producer(
            {**self._servers.brokers.options(), "linger.ms": 5, "compression.type": "lz4"}
        )
        for message in messages:
            producer.produce(self.names.events, message.data, partition=message.partition)
            producer.poll(0)
        if producer.flush(WAIT_SECONDS):
            raise RuntimeError("the brokers did not take all messages")


def folding(worker: Server) -> set[int]:
    """Return the partitions that a worker has taken over."""
    return _partitions(worker, ("folding",))


def owned(worker: Server) -> set[int]:
    """Return the partitions that a worker owns, whether or not it has taken them over."""
    return _partitions(worker, ("taking over", "folding"))


def _partitions(worker: Server, states: tuple[str, ...]) -> set[int]:
    partitions = worker.ready()["cluster"]["partitions"]
    return {int(number) for number, each in partitions.items() if each["state"] in states}


def until(condition: Callable[[], object], pause: float = LOOK_SECONDS) -> None:
    """Wait until a condition holds.

    Args:
        condition: It is asked again and again.
        pause: Seconds between two times.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not reached within {WAIT_SECONDS:g} s")
        time.sleep(pause)

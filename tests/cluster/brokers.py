"""A real Apache Kafka for tests: one or three nodes on loopback, each in a separate process.

`python -m tests.cluster.brokers` runs three until Ctrl-C and prints their addresses; `Brokers` is a
context manager for tests. `tests/cluster/provide_kafka` downloads what they need.
"""

import argparse
import base64
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.cimpl import NewTopic

from tests.cluster.certificates import Authority
from tests.cluster.node import (
    LIBRARIES,
    OFFSETS_PARTITIONS,
    PASSWORD,
    USER,
    Listener,
    Node,
    Route,
    Stores,
)
from tests.end_to_end.clickhouse_server import free_port

WAIT_SECONDS = 180.0
"""Limit of all waiting, generous enough for a slow machine."""

MISSING = (
    "no Apache Kafka on this machine: tests/cluster/provide_kafka fetches it from Maven Central, "
    "if that is reached, and Java with apt-get"
)

Options = dict[str, str | int | float | bool]
"""Options of a client from confluent_kafka."""


class Brokers:
    """A cluster in KRaft mode, with its data in one directory.

    All nodes are killed when the context ends, and when this process ends in any way.
    """

    def __init__(
        self,
        directory: Path,
        *,
        count: int = 3,
        secure: bool = False,
        routes: Sequence[str] = (),
    ) -> None:
        """Prepare the nodes without starting them.

        Args:
            directory: Directory for data, certificates and logs; created if necessary.
            count: Number of nodes. Partitions have as many replicas, of which all but one are
                required to be in sync.
            secure: Whether there are listeners with TLS and with SASL, too.
            routes: Names of further listeners, which clients reach through proxies.
        """
        self.directory = directory.resolve()
        self._listeners = [
            *(Listener.PLAINTEXT, Listener.CONTROLLER),
            *((Listener.SSL, Listener.SASL_SSL) if secure else ()),
        ]
        self._nodes = {
            number: Node(
                number,
                {listener: free_port() for listener in self._listeners},
                {name: Route(free_port(), free_port()) for name in routes},
                self.directory / f"node{number}",
            )
            for number in range(1, count + 1)
        }
        self._secure = secure
        self._guard: subprocess.Popen[bytes] | None = None
        self._admin: AdminClient | None = None

    def __enter__(self) -> Self:
        """Format the storage of the nodes and start them."""
        # Kills its process group, thus the nodes (paused ones, too), when its standard input
        # closes, which it does at the latest when this process ends.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", "read -r _; kill -KILL 0"], stdin=subprocess.PIPE, process_group=0
        )
        try:
            self._format()
            self.start(*self.numbers)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the nodes: told to end, the last one would wait for the others for ever."""
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.__exit__(None, None, None)
        for node in self._nodes.values():
            node.kill()
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.communicate()

    @property
    def numbers(self) -> list[int]:
        """The ids of the nodes."""
        return list(self._nodes)

    def addresses(self, listener: Listener = Listener.PLAINTEXT, host: str = "127.0.0.1") -> str:
        """Return the addresses of a listener, as `KAFKA_BROKERS` has them."""
        return ",".join(f"{host}:{node.ports[listener]}" for node in self._nodes.values())

    def routes(self, name: str) -> list[Route]:
        """Return how the proxies of a listener lead to the nodes."""
        return [node.routes[name] for node in self._nodes.values()]

    def options(self, listener: Listener = Listener.PLAINTEXT) -> Options:
        """Return the options with which a client connects to a listener."""
        options: Options = {"bootstrap.servers": self.addresses(listener)}
        if listener in (Listener.SSL, Listener.SASL_SSL):
            options["security.protocol"] = listener.lower()
            options["ssl.ca.pem"] = self._file("authority.pem")
        if listener == Listener.SSL:
            options["ssl.certificate.pem"] = self._file("client.pem")
            options["ssl.key.pem"] = self._file("client.key")
        if listener == Listener.SASL_SSL:
            options["sasl.mechanism"] = "SCRAM-SHA-256"
            options["sasl.username"] = USER
            options["sasl.password"] = PASSWORD
        return options

    @property
    def admin(self) -> AdminClient:
        """A client for administration."""
        if self._admin is None:
            self._admin = AdminClient({**self.options(), "log_level": 0})
        return self._admin

    def start(self, *numbers: int) -> None:
        """Start nodes, and wait until all nodes that run know that their replicas are in sync.

        Raises:
            RuntimeError: A node exited, or did not answer in time. The message has the end of its
                log.
        """
        assert self._guard is not None, "the context has not been entered"
        for number in numbers:
            self._nodes[number].start(self._guard.pid)
        self._await_all(lambda metadata: _in_sync(metadata, set(numbers)))

    def _await_all(self, is_known: Callable[[ClusterMetadata], bool]) -> None:
        """Wait until something is known to each node that runs: they learn it one by one."""
        deadline = time.monotonic() + WAIT_SECONDS
        for number in self._running:
            node = self._nodes[number]
            address = f"127.0.0.1:{node.ports[Listener.PLAINTEXT]}"
            with AdminClient({"bootstrap.servers": address, "log_level": 0}) as client:
                while not _is_known(client, is_known):
                    exited = node.process is None or node.process.poll() is not None
                    if exited or time.monotonic() > deadline:
                        tail = node.log.read_text("utf-8", "replace")[-2000:]
                        raise RuntimeError(f"node {number} does not answer:\n{tail}")
                    time.sleep(0.1)

    def kill(self, *numbers: int) -> None:
        """Kill nodes, as in a crash."""
        for number in numbers:
            self._nodes[number].kill()

    def restart(self, *numbers: int) -> None:
        """Kill nodes and start them again with the same data and ports."""
        self.kill(*numbers)
        self.start(*numbers)

    def pause(self, number: int) -> None:
        """Pause a node: it accepts connections, but does not respond."""
        pid = self.pid(number)
        os.kill(pid, signal.SIGSTOP)
        # Until then one of its threads may still answer.
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self, number: int) -> None:
        """Resume a node."""
        os.kill(self.pid(number), signal.SIGCONT)

    def create_topic(
        self, name: str, partitions: int = 1, settings: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic; wait until each node that runs knows it and its partitions' leaders."""
        topic = NewTopic(name, partitions, len(self._nodes), config=dict(settings or {}))
        self.admin.create_topics([topic])[name].result(WAIT_SECONDS)
        self._await_all(lambda metadata: _is_led(metadata, name, self._running))

    def await_changes(self) -> None:
        """Wait until each node that runs knows all that was changed so far."""
        # They learn all changes in the order in which they were made.
        self.create_topic(f"after-changes-{secrets.token_hex(4)}")

    def leader(self, topic: str, partition: int = 0) -> int:
        """Return the node that leads a partition; wait until there is one."""

        def find() -> int | None:
            found = self.admin.list_topics(topic, timeout=WAIT_SECONDS).topics[topic]
            leads = found.partitions[partition].leader if partition in found.partitions else -1
            return leads if leads in self._running else None

        return _wait(find)

    def coordinator(self, group: str) -> int:
        """Return the node that coordinates a group; wait until there is one."""
        # The administrator's requests about groups can abort the process while it is away.
        return self.leader("__consumer_offsets", java_hash(group) % OFFSETS_PARTITIONS)

    @property
    def _running(self) -> set[int]:
        return {number for number, node in self._nodes.items() if node.process is not None}

    def pid(self, number: int) -> int:
        """Return the id of a node's process, which must be running."""
        process = self._nodes[number].process
        assert process is not None, f"node {number} does not run"
        return process.pid

    def _file(self, name: str) -> str:
        return (self.directory / "certificates" / name).read_text()

    def _format(self) -> None:
        assert self._guard is not None
        voters = ",".join(
            f"{number}@127.0.0.1:{node.ports[Listener.CONTROLLER]}"
            for number, node in self._nodes.items()
        )
        stores = self._make_certificates() if self._secure else None
        for node in self._nodes.values():
            node.configure(voters, len(self._nodes), stores)
        # An id of Kafka's is 16 bytes; a leading dash would look like an option.
        cluster = "A" + base64.urlsafe_b64encode(secrets.token_bytes(16)).decode()[1:22]
        formats = [node.format(cluster, self._guard.pid) for node in self._nodes.values()]
        for node, process in zip(self._nodes.values(), formats, strict=True):
            assert process.wait() == 0, node.log.read_text("utf-8", "replace")

    def _make_certificates(self) -> Stores:
        directory = self.directory / "certificates"
        authority = Authority(directory, "authority")
        key, certificate = authority.issue("broker", "IP:127.0.0.1")
        authority.issue("client")
        stores = Stores(directory / "keystore.pem", directory / "authority.pem")
        stores.key.write_text(key + certificate)
        return stores


def java_hash(text: str) -> int:
    """Return Java's hash of a text, as a broker uses it for the name of a group."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0x7FFFFFFF
    return value


def _is_known(client: AdminClient, is_known: Callable[[ClusterMetadata], bool]) -> bool:
    try:
        return is_known(client.list_topics(timeout=5))
    except KafkaException:
        return False


def _in_sync(metadata: ClusterMetadata, numbers: set[int]) -> bool:
    """Whether these nodes run, and are in sync wherever they have a replica."""
    return numbers <= metadata.brokers.keys() and all(
        numbers & set(partition.replicas) <= set(partition.isrs)
        for topic in metadata.topics.values()
        for partition in topic.partitions.values()
    )


def _is_led(metadata: ClusterMetadata, topic: str, numbers: set[int]) -> bool:
    """Whether a topic is there, and its partitions are led by some of these nodes."""
    if topic not in metadata.topics:
        return False
    leaders = {partition.leader for partition in metadata.topics[topic].partitions.values()}
    return bool(leaders) and leaders <= numbers


def _wait(find: Callable[[], int | None]) -> int:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            found = find()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            found = None
        if found is not None:
            return found
        assert time.monotonic() < deadline, "not found in time"
        time.sleep(0.1)


def require_kafka() -> None:
    """Skip a test if Kafka or Java is missing."""
    if not LIBRARIES.exists() or shutil.which("java") is None:
        pytest.skip(MISSING)


def main() -> None:
    """Run a cluster until Ctrl-C or SIGTERM, and print its addresses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3, choices=(1, 3))
    count = parser.parse_args().count
    if not LIBRARIES.exists():
        sys.exit(MISSING)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    directory = Path(tempfile.mkdtemp(prefix="sluice-kafka-"))
    try:
        with Brokers(directory, count=count) as brokers:
            print(f"KAFKA_BROKERS={brokers.addresses()}", flush=True)
            stopped.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()

"""A whole cluster on loopback: brokers, store, fronts and workers, each process behind a link."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from ingest.engine.parts import Assembler, read_part, unpack
from ingest.engine.topics import topic_names
from tests.chaos.cluster.links import Links
from tests.chaos.cluster.topic_record import TopicFollower, read_topic
from tests.chaos.server import SluiceProcess
from tests.cluster.brokers import Brokers
from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port
from tests.waiting import WAIT_SECONDS

PARTITIONS: Final = 8
PREFIX: Final = "chaos."
NAMES: Final = topic_names(PREFIX)
SECRET: Final = "the-same-on-all-fronts-of-the-cluster"
DATABASE: Final = "chaos"

FRONTS: Final = ("front-1", "front-2")
"""Usually the first one answers 202 from its disk while Kafka is away; the second one refuses."""

OUTBOX_MEGABYTES: Final = 2
"""Size of the first front's outbox, which a cut of some seconds fills."""


class Cluster:
    """All processes. A context manager.

    Attributes:
        directory: Directory for all data and logs.
        brokers: Three Kafka brokers.
        clickhouse: The store.
        links: Between each of our processes and the brokers, by name.
        fronts: The processes that take events.
        workers: The processes that store them.
        follower: Reads the events topic.
    """

    follower: TopicFollower

    def __init__(
        self,
        directory: Path,
        workers: int,
        outages: Sequence[str] = ("journal", "refuse"),
    ) -> None:
        """Prepare everything without starting it.

        Args:
            directory: Directory for all data and logs.
            workers: Number of workers.
            outages: What each front does while Kafka is away.
        """
        self._outages = dict(zip(FRONTS, outages, strict=True))
        self.directory = directory
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        processes = [*FRONTS, *names]
        self.brokers = Brokers(directory / "kafka", routes=[_listener(name) for name in processes])
        self.clickhouse = ClickHouseServer(directory / "clickhouse")
        self.links = Links({name: self.brokers.routes(_listener(name)) for name in processes})
        made = {name: self._process(name, directory, free_port()) for name in processes}
        self.fronts = [made[name] for name in FRONTS]
        self.workers = [made[name] for name in names]
        self._stack = ExitStack()

    def _process(self, name: str, directory: Path, port: int) -> SluiceProcess:
        role = name.partition("-")[0]
        ways = self.brokers.routes(_listener(name))
        settings = {
            "KAFKA_BROKERS": ",".join(f"127.0.0.1:{way.proxy}" for way in ways),
            "KAFKA_PREFIX": PREFIX,
            "SLUICE_CLUSTER_SECRET": SECRET,
            "SLUICE_JOURNAL_MEGABYTES": str(OUTBOX_MEGABYTES),
            "SLUICE_ACK_OUTAGE": self._outages.get(name, "journal"),
        }
        if role == "worker":
            settings["CLICKHOUSE_URL"] = self.clickhouse.url(DATABASE)
        return SluiceProcess(directory, directory / name, port, settings, role)

    @property
    def processes(self) -> list[SluiceProcess]:
        """Fronts and workers."""
        return [*self.fronts, *self.workers]

    @property
    def ports(self) -> list[int]:
        """The ports of the fronts."""
        return [front.port for front in self.fronts]

    def __enter__(self) -> Self:
        """Start everything, and wait until all processes answer."""
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self) -> None:
        self._stack.enter_context(self.clickhouse)
        self._stack.enter_context(self.brokers)
        self._stack.enter_context(self.links)
        self.workers[0].command("engine", "create", "--partitions", str(PARTITIONS))
        self.follower = TopicFollower(self.brokers.options(), NAMES.events, PARTITIONS)
        self._stack.callback(self.follower.close)
        for process in self.processes:
            self._stack.callback(process.close)
            process.launch(faulty=True)
        for process in self.processes:
            process.await_answer()

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self._stack.close()

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query to the store."""
        url = (
            f"http://127.0.0.1:{self.clickhouse.http_port}/"
            f"?database={DATABASE}&default_format=JSONEachRow"
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, sql.encode(), WAIT_SECONDS) as answer:
            return [json.loads(line) for line in answer]

    def letters(self) -> Iterator[bytes]:
        """Yield the frames of all letters in their topic."""
        assembler = Assembler()
        for data in read_topic(self.brokers.options(), NAMES.letters):
            pieces = assembler.add(read_part(data))
            if pieces is not None:
                yield from unpack(pieces)


def _listener(name: str) -> str:
    """Return the name of the brokers' listener for a process."""
    return name.upper().replace("-", "_")

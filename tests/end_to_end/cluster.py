"""A real cluster: fronts, workers and brokers in separate processes, and a ClickHouse server."""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Literal, Self

import httpx

from tests.cluster.brokers import Brokers
from tests.end_to_end.sluice import CHROME, Sluice
from tests.waiting import wait_until

SECRET: Final = "the-same-on-all-fronts-of-this-cluster"
PARTITIONS: Final = 8


class Member(Sluice):
    """A process of a cluster."""

    def __init__(
        self,
        directory: Path,
        role: Literal["front", "worker"],
        clickhouse_url: str,
        module: str = "ingest",
        **environment: str,
    ) -> None:
        directory.mkdir(exist_ok=True)
        super().__init__(directory, clickhouse_url, **environment)
        self.program = (module, "serve", "--role", role)

    def wait_ready(self) -> None:
        """Wait until the process takes part in the cluster."""
        wait_until(lambda: self.readiness()[0] == 200, self.log_text)

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """The status and the report of `/ready`."""
        response = self.client.get("/ready")
        return response.status_code, response.json()


class InTurn(httpx.HTTPTransport):
    """Sends each request to the next front."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__()
        self._ports: Iterator[int] = itertools.cycle(ports)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(port=next(self._ports))
        return super().handle_request(request)


class Cluster(Sluice):
    """Fronts and workers on the same brokers. `client` sends to the fronts in turn.

    Attributes:
        fronts: The processes that take events.
        workers: The processes that store them.
    """

    def __init__(
        self,
        directory: Path,
        clickhouse_url: str,
        brokers: Brokers,
        prefix: str,
        *,
        fronts: int = 2,
        workers: int = 2,
        module: str = "ingest",
        **environment: str,
    ) -> None:
        self._settings = {
            "KAFKA_BROKERS": brokers.addresses(),
            "KAFKA_PREFIX": prefix,
            "SLUICE_CLUSTER_SECRET": SECRET,
            # The least that brokers allow.
            "SLUICE_KAFKA_OPTIONS": "session.timeout.ms=6000",
            "SLUICE_SITES": str(directory / "sites.toml"),
            **environment,
        }
        self._url, self._module = clickhouse_url, module
        state = str(directory / "front-1" / "var")
        super().__init__(directory, clickhouse_url, SLUICE_STATE_DIR=state, **self._settings)
        self.fronts = [self.member("front", f"front-{n}") for n in range(1, fronts + 1)]
        self.workers = [self.member("worker", f"worker-{n}") for n in range(1, workers + 1)]

    def member(self, role: Literal["front", "worker"], name: str, **environment: str) -> Member:
        """Return another process of the cluster, not yet started."""
        settings = {**self._settings, **environment}
        return Member(self.directory / name, role, self._url, self._module, **settings)

    @property
    def members(self) -> list[Member]:
        """Fronts and workers."""
        return [*self.fronts, *self.workers]

    def create(self, *arguments: str) -> None:
        """Make the topics and the cluster record."""
        made = self.command("engine", "create", "--partitions", str(PARTITIONS), *arguments)
        assert made.returncode == 0, made.stdout + made.stderr

    def start(self) -> Self:
        """Make the cluster, start all processes, and wait until they know each other."""
        self.create()
        with ThreadPoolExecutor(len(self.members)) as pool:
            list(pool.map(Member.start, self.members))
        self.url, self.port, self.process = (
            self.fronts[0].url,
            self.fronts[0].port,
            self.fronts[0].process,
        )
        ports = [front.port for front in self.fronts]
        self.client = httpx.Client(
            base_url=self.url, headers={"user-agent": CHROME}, timeout=60, transport=InTurn(ports)
        )
        self.wait_whole()
        return self

    def wait_whole(self) -> None:
        """Wait until all fronts see all members, and an owner of each partition."""
        wait_until(lambda: all(map(self._sees_all, self.fronts)), self.log_text)

    def _sees_all(self, front: Member) -> bool:
        _, report = front.readiness()
        cluster = report["cluster"]
        return (
            cluster["status"] != "down"
            and (cluster["fronts"], cluster["workers"]) == (len(self.fronts), len(self.workers))
            and "sluice_cluster_partitions_unowned 0" in front.client.get("/metrics").text
        )

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.__exit__()

    def log_text(self) -> str:
        return "\n".join(member.log_text() for member in self.members)

    def _ask(self, sql: str) -> httpx.Response:
        return self.fronts[0]._ask(sql)

    def dropped(self, domain: str, reason: str) -> bool:
        return any(member.dropped(domain, reason) for member in self.members)

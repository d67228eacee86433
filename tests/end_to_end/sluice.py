"""A real server in a separate process, with a real port and a real store."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.waiting import WAIT_SECONDS, wait_until

CHROME = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
SITES = """
[[site]]
id = 1
domain = "example.com"

[[site]]
id = 2
domain = "shielded.example"
previous_domain = "formerly.example"
[site.shields]
ips = ["203.0.113.7", "2001:db8::/32"]
countries = ["ZZ"]
pages = ["/admin/**"]
hostnames = ["shielded.example", "*.shielded.example"]

[[site]]
id = 3
domain = "blocked.example"
rate_limit = { events = 0, seconds = 60 }

[[site]]
id = 4
domain = "limited.example"
rate_limit = { events = 2, seconds = 1000000000 }

[[site]]
id = 5
domain = "ended.example"
accept_traffic_until = 2020-01-01

[[site]]
id = 6
domain = "shop.example"
[[site.revenue_goals]]
event = "Purchase"
currency = "EUR"

[[site]]
id = 7
domain = "people.example"
drop_server_clients = true

[exchange_rates]
EUR = 0.5
"""
SINGLE_PROCESSES = ("chdb", "clickhouse", "chdb-hypercorn")
"""The stores, and the slower path, with which tests run a single process."""

SINGLE_PROCESS = pytest.mark.parametrize("store", SINGLE_PROCESSES, indirect=True)
"""For tests of what a cluster does differently, which say why."""

STORE_AWAY = re.compile("the connection to ClickHouse failed|shutting down due to a fatal error")
"""What errors say while the test server restarts, see `ClickHouseServer`."""


class Sluice:
    """`sluice serve` in a separate directory.

    Attributes:
        interpreter: The Python that runs it.
        module: The module that runs commands.
        program: The module that runs the server, and its arguments.
    """

    interpreter = sys.executable
    module = "ingest"
    program: Sequence[str] = ("ingest", "serve")

    def __init__(self, directory: Path, clickhouse_url: str, **environment: str) -> None:
        self.directory = directory
        self.sites = directory / "sites.toml"
        self.state = directory / "var"
        if not self.sites.exists():
            self.sites.write_text(SITES)
        self.environment = {
            **{name: value for name, value in os.environ.items() if "SLUICE" not in name},
            "PORT": "0",
            "HOST": "127.0.0.1",
            "CLICKHOUSE_URL": clickhouse_url,
            "SLUICE_SITES": str(self.sites),
            "SLUICE_STATE_DIR": str(self.state),
            "SLUICE_FLUSH_SECONDS": "0.1",
            "SLUICE_SHUTDOWN_SECONDS": "15",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.log = directory / "log"

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command and wait for its end."""
        return subprocess.run(
            [self.interpreter, "-m", self.module, *arguments],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )

    def launch(self) -> subprocess.Popen[bytes]:
        """Start a process without waiting for it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.interpreter, "-m", *self.program],
                env=self.environment,
                cwd=self.directory,
                stderr=log,
            )
        return self.process

    def start(self) -> Self:
        self.launch()
        announcement = self.state / "server.json"
        wait_until(lambda: self._announced(announcement), self.log_text)
        announced = json.loads(announcement.read_text())
        self.url = f"http://127.0.0.1:{announced['port']}"
        self.port = int(announced["port"])
        self.token = str(announced["token"])
        self.client = httpx.Client(base_url=self.url, headers={"user-agent": CHROME}, timeout=60)
        wait_until(self._answers, self.log_text)
        return self

    def _announced(self, announcement: Path) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log_text()
        try:
            return bool(json.loads(announcement.read_text())["pid"] == self.process.pid)
        except (FileNotFoundError, json.JSONDecodeError):
            return False

    def _answers(self) -> bool:
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def ready(self) -> bool:
        """Whether it runs, and has its store."""
        if self.process is None or self.process.poll() is not None:
            return False
        try:
            return bool(self.client.get("/ready").json()["status"] == "ok")
        except httpx.TransportError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop the process and return its exit code."""
        assert self.process is not None
        self.client.close()
        self.process.send_signal(number)
        return self.process.wait(WAIT_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGKILL)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def send(
        self,
        name: str = "pageview",
        url: str = "https://example.com/",
        domain: str | None = "example.com",
        *,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        """Post an event like the official tracker."""
        body = {"n": name, "u": url, "d": domain, **fields}
        return self.client.post(
            "/api/event",
            content=json.dumps(body),
            headers={"content-type": "text/plain", **(headers or {})},
        )

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the query's rows, once the store is reachable."""
        deadline = time.monotonic() + WAIT_SECONDS
        while _is_away(response := self._ask(sql)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert response.status_code == 200, response.text
        return [json.loads(line) for line in response.text.splitlines()]

    def _ask(self, sql: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return self.client.post("/api/query", content=sql, headers=headers)

    def rows(self, sql: str, at_least: int = 1) -> list[dict[str, Any]]:
        """Return the query's rows, once there are at least this many."""
        wait_until(lambda: len(self.query(sql)) >= at_least, self.log_text)
        return self.query(sql)

    def events(self, where: str, at_least: int = 1) -> list[dict[str, Any]]:
        return self.rows(f"SELECT * FROM events_v2 WHERE {where} ORDER BY timestamp", at_least)

    def dropped(self, domain: str, reason: str) -> bool:
        """Whether the flushed counters include the drop."""
        figures = self.client.get("/metrics").text
        return any(
            line.startswith("sluice_events_dropped_total{")
            and f'reason="{reason}"' in line
            and f'site="{domain}"' in line
            for line in figures.splitlines()
        )


def _is_away(response: httpx.Response) -> bool:
    return response.status_code == 503 or STORE_AWAY.search(response.text) is not None

"""The server's processes, one after the other, on one port and with one state directory."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.chaos.moments import SELDOM, signal_of
from tests.chaos.traffic import SITES
from tests.end_to_end.sluice import STORE_AWAY
from tests.waiting import WAIT_SECONDS

SHUTDOWN_SECONDS: Final = 8
WATCH_SECONDS: Final = 0.2

FAST_PATH: Final = ("on", "off")
FSYNC: Final = ("interval", "always", "never")
"""Values for the processes in turn, so that each starts with the state of another value."""


class ServerError(Exception):
    """The server behaved incorrectly."""


class SluiceProcess:
    """`sluice serve`, killed and started again.

    Attributes:
        name: Name of the state directory and of the log.
        role: Its role in a cluster; None for a single process.
        port: The port, the same for all processes, so that clients can reconnect.
        generations: Number of processes started so far.
        peak_kb: Largest resident memory of any process, measured by the kernel.
        faulty: Whether the running process supports internal faults.
    """

    def __init__(
        self,
        directory: Path,
        state: Path,
        port: int,
        settings: Mapping[str, str],
        role: str | None = None,
    ) -> None:
        """Prepare the server without starting it.

        Args:
            directory: Directory for sites file and log.
            state: The state directory, which may be on a separate disk.
            port: The port to listen on.
            settings: Settings besides the usual ones.
            role: Its role in a cluster; None for a single process.
        """
        self.directory = directory
        self.state = state
        self.port = port
        self.name = state.name
        self.role = role
        self.generations = 0
        self.peak_kb = 0
        self.faulty = False
        self.log = directory / f"{self.name}.log"
        self._arguments = ("serve", *(() if role is None else ("--role", role)))
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        sites = directory / "sites.toml"
        sites.write_text(SITES)
        self._environment = {
            **{name: value for name, value in os.environ.items() if "SLUICE" not in name},
            "PORT": str(port),
            "HOST": "127.0.0.1",
            "SLUICE_SITES": str(sites),
            "SLUICE_STATE_DIR": str(state),
            "SLUICE_DURABILITY": "journal",
            "SLUICE_FLUSH_SECONDS": "0.5",
            # Small values, so that batches and segments are full after a few seconds.
            "SLUICE_FLUSH_ROWS": "100",
            "SLUICE_JOURNAL_MEGABYTES": "4",
            "SLUICE_SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **settings,
        }
        self._watching = threading.Event()
        self._watcher = threading.Thread(target=self._watch_memory, daemon=True)
        self._watcher.start()

    def launch(self, *, faulty: bool = False) -> None:
        """Start a process without waiting for it."""
        fsync = FSYNC[self.generations % len(FSYNC)]
        fast_path = FAST_PATH[self.generations // len(FSYNC) % len(FAST_PATH)]
        module = "tests.chaos.faulty_server" if faulty else "ingest"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *self._arguments],
                env={
                    **self._environment,
                    "SLUICE_JOURNAL_FSYNC": fsync,
                    "SLUICE_FAST_PATH": fast_path,
                },
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.generations += 1
        self.faulty = faulty

    def start(self, *, faulty: bool = False) -> None:
        """Start a process and wait until it answers.

        Raises:
            ServerError: It did not answer in time.
        """
        self.launch(faulty=faulty)
        self.await_answer()

    def await_answer(self) -> None:
        """Wait until the running process answers.

        Raises:
            ServerError: It did not answer in time.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                raise ServerError(f"no answer within {WAIT_SECONDS:g} s\n{self.log_tail()}")
            time.sleep(0.03)

    def _answers(self) -> bool:
        self.check_alive()
        try:
            announced = json.loads((self.state / "server.json").read_text())
        except (OSError, ValueError):
            return False
        if announced["pid"] != self.pid:
            return False
        self._token = str(announced["token"])
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._request("GET", "/health", timeout=5.0)[0] == 200
        return False

    @property
    def pid(self) -> int:
        """Id of the latest process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def check_alive(self) -> None:
        """Raise `ServerError` if the process has exited by itself."""
        assert self._process is not None
        if not self.running:
            raise ServerError(
                f"the server ended by itself with {self._process.returncode}\n{self.log_tail()}"
            )

    @property
    def exit_code(self) -> int | None:
        """Exit code of the latest process; None if it is running or there was none."""
        return None if self._process is None else self._process.poll()

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        self.check_alive()
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the process like `kill -9`, even if it has just started."""
        assert self._process is not None
        self._note_memory()
        self._process.kill()
        self._process.wait()

    def die_at(self, moment: str) -> bool:
        """Make a faulty process kill itself at a step, at the latest while draining.

        Returns:
            Whether it did; a seldom step may not occur at all.

        Raises:
            ServerError: It did not, but should have.
        """
        self._note_memory()
        self.signal(signal_of(moment))
        if moment in SELDOM:
            self.signal(signal.SIGTERM)
        code = self.wait()
        if code != -signal.SIGKILL and (code != 0 or moment not in SELDOM):
            raise ServerError(f"exit code {code} instead of an end {moment}\n{self.log_tail()}")
        return code != 0

    def wait(self, seconds: float = WAIT_SECONDS) -> int:
        """Wait for the process to exit, and return its exit code.

        Raises:
            ServerError: The process did not exit.
        """
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ServerError(f"no end within {seconds:g} s\n{self.log_tail()}") from None

    def terminate(self) -> None:
        """Send SIGTERM, and wait for the process to exit.

        Raises:
            ServerError: The process did not exit, or its exit code was not 0.
        """
        self._note_memory()
        self.signal(signal.SIGTERM)
        code = self.wait()
        if code != 0:
            raise ServerError(f"exit code {code} after SIGTERM\n{self.log_tail()}")

    def close(self) -> None:
        """Stop any running process."""
        self._watching.set()
        if self.running:
            self.kill()

    def command(self, *arguments: str) -> str:
        """Return the output of `sluice ARGUMENTS`."""
        return subprocess.run(
            [sys.executable, "-m", "ingest", *arguments],
            env=self._environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=True,
        ).stdout

    def follow(self) -> http.client.HTTPResponse:
        """Return the endless response with live events; the caller closes it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        connection.request("GET", "/api/live", headers={"authorization": f"Bearer {self._token}"})
        return connection.getresponse()

    def ready(self) -> dict[str, Any]:
        """Return the response of `/ready`.

        Raises:
            OSError: There is no response.
            http.client.HTTPException: There is no valid response.
        """
        report: dict[str, Any] = json.loads(self._request("GET", "/ready", timeout=60.0)[1])
        return report

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query, once the store is reachable.

        Raises:
            ServerError: The query failed.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            status, body = self._request("POST", "/api/query", sql.encode(), WAIT_SECONDS)
            if status == 200:
                return [json.loads(line) for line in body.splitlines()]
            if not STORE_AWAY.search(body.decode()) or time.monotonic() > deadline:
                raise ServerError(f"query answered {status}: {body[:500]!r}")
            time.sleep(0.1)

    def _request(
        self, method: str, path: str, body: bytes | None = None, timeout: float = 60.0
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"authorization": f"Bearer {self._token}", "connection": "close"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def log_text(self) -> str:
        """Return the log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self) -> str:
        """Return the end of the log."""
        return self.log_text()[-3000:]

    def _watch_memory(self) -> None:
        while not self._watching.wait(WATCH_SECONDS):
            self._note_memory()

    def _note_memory(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            if match := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):
                self.peak_kb = max(self.peak_kb, int(match[1]))

"""A real PostgreSQL for tests: the system's package, in a temporary directory, on loopback."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from tests.end_to_end.clickhouse_server import free_port
from tests.waiting import WAIT_SECONDS

USER, PASSWORD = "plausible", "qzx1/qzx2@qzx3:qzx4?qzx5#"
"""Name and password of the user. The password has all characters with a meaning in URLs."""


_UNPRIVILEGED = "postgres"
"""The user to run as if the tests run as root, which PostgreSQL refuses."""


class PostgresServer:
    """A server whose only user is `USER`, with a password."""

    def __init__(self) -> None:
        """Prepare the server without starting it."""
        self.port = free_port()
        self._as: dict[str, Any] = {}
        # Not in pytest's directory, which other users cannot access.
        self._directory = Path(tempfile.mkdtemp(prefix="sluice-postgres-"))
        if os.geteuid() == 0:
            self._as = {"user": _UNPRIVILEGED, "group": _UNPRIVILEGED, "extra_groups": []}
            shutil.chown(self._directory, _UNPRIVILEGED, _UNPRIVILEGED)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Create a cluster and start the server."""
        programs = programs_directory()
        assert programs is not None
        data, secret = self._directory / "data", self._directory / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            *(str(programs / "initdb"), "--pgdata", str(data), "--username", USER),
            *("--auth", "scram-sha-256", "--pwfile", str(secret), "--no-sync"),
            *("--encoding", "UTF8", "--locale", "C"),
        )
        self._process = subprocess.Popen(
            [
                *(str(programs / "postgres"), "-D", str(data), "-p", str(self.port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                *("-c", f"unix_socket_directories={self._directory}"),
            ],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self._directory / "log").open("wb"),
            **self._as,
        )
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self.connect("postgres").close()
                return self
            except psycopg.OperationalError:
                log = (self._directory / "log").read_text("utf-8", "replace")
                assert self._process.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        """Stop the server and delete its data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """Return a connection that commits each statement."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
        )

    def _run(self, *command: str) -> None:
        result = subprocess.run(
            command, cwd=self._directory, capture_output=True, text=True, check=False, **self._as
        )
        assert result.returncode == 0, result.stderr


def programs_directory() -> Path | None:
    """Return the directory of the server's programs; None if it is not installed."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((path for path in reversed(found) if (path / "postgres").exists()), None)


def require_postgres() -> None:
    """Skip a test if PostgreSQL is not installed; in CI, fail."""
    if programs_directory() is None:
        message = "PostgreSQL is not installed: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

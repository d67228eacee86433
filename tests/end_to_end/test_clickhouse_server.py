import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end import clickhouse_server
from tests.end_to_end.clickhouse_server import ClickHouseServer, cache_directory, fetch_library
from tests.waiting import wait_until


def test_context(tmp_path: Path) -> None:
    server = ClickHouseServer(tmp_path)
    assert not server.answers()
    with server:
        assert server.answers()
        assert server.url("x") == f"clickhouse://default@127.0.0.1:{server.tcp_port}/x"
        server.pause()
        assert not server.answers()
        server.resume()
        # It may abort, and be restarted, when it answers the client that has given up.
        wait_until(server.answers)
        server.restart()
        assert server.answers()
    assert not server.answers()
    server.kill()


def test_by_hand(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.end_to_end.clickhouse_server", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    where = ("--directory", str(tmp_path))
    tcp, http = clickhouse_server.free_port(), clickhouse_server.free_port()
    started = run("start", *where, "--tcp-port", str(tcp), "--http-port", str(http))
    assert started.stdout == f"clickhouse://default@127.0.0.1:{tcp}/default\n"
    assert ClickHouseServer(tmp_path, tcp_port=tcp, http_port=http).answers()
    assert run("stop", *where).returncode == 0
    assert not ClickHouseServer(tmp_path, tcp_port=tcp, http_port=http).answers()
    again = run("stop", *where)
    assert again.returncode == 1
    assert "no test server was started" in again.stderr


def test_stop_spares_other_processes(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))
    clickhouse_server._stop_by_hand(tmp_path)
    assert not (tmp_path / "pid").exists()


def test_a_server_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse_server, "fetch_library", lambda: tmp_path / "none.so")
    with pytest.raises(RuntimeError, match=r"did not start:[\s\S]*none\.so"):
        ClickHouseServer(tmp_path).start()


def test_fetching_needs_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_TEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cache_directory() == tmp_path / "cache"
    with pytest.raises(RuntimeError, match="apt-get install npm"):
        fetch_library()


def test_npm_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("SLUICE_TEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="no network"):
        fetch_library()
    assert list((tmp_path / "cache").iterdir()) == []

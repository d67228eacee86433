"""`sluice import` with the real store, in a separate process and through a running server."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.access_logs import caddy, combined, requests
from tests.end_to_end.sluice import STORE_AWAY, Sluice
from tests.waiting import WAIT_SECONDS, wait_until

LINES = 30_000
LOG = b"".join(combined(request).encode() + b"\n" for request in requests(LINES))
TOTALS = (
    "SELECT (SELECT count() FROM events_v2) AS events, "
    "(SELECT uniqExact(session_id) FROM events_v2) AS event_visits, "
    "(SELECT sum(sign) FROM sessions_v2) AS visits, "
    "(SELECT sum(sign * pageviews) FROM sessions_v2) AS pageviews, "
    "(SELECT sum(sign * is_bounce) FROM sessions_v2) AS bounces"
)


@pytest.fixture(scope="session", params=["chdb", "clickhouse"])
def single_process(request: pytest.FixtureRequest) -> str:
    """Run with both stores; an import does not depend on the fast path."""
    return str(request.param)


def with_a_store(sluice: Sluice, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command, and retry it if necessary: a kill may briefly stop the test server as well."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (
        STORE_AWAY.search((run := sluice.command(*arguments)).stderr)
        and time.monotonic() < deadline
    ):
        time.sleep(0.1)
    return run


def imported(sluice: Sluice, *arguments: str) -> dict[str, str]:
    """Return the summary's figures by name; the empty name has the result."""
    run = with_a_store(sluice, "import", *arguments)
    assert run.returncode == 0, run.stderr
    first, *lines = run.stdout.splitlines()
    words = (line.rsplit(None, 1) for line in lines if line.startswith("  "))
    return {"": first.partition(" (")[0]} | {name.strip(): figure for name, figure in words}


def totals(sluice: Sluice) -> dict[str, int]:
    run = with_a_store(sluice, "query", TOTALS)
    assert run.returncode == 0, run.stderr
    return {name: int(value) for name, value in json.loads(run.stdout).items()}


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "access.log"
    path.write_bytes(LOG)
    return str(path)


@pytest.fixture
def whole(log: str, fresh: Sluice) -> dict[str, int]:
    """The figures of the whole log, from a dry run, which stores nothing."""
    summary = imported(fresh, log, "--site", "example.com", "--dry-run")
    return {
        "events": int(summary["events accepted"].replace(",", "")),
        "visits": int(summary["visits"].replace(",", "")),
    }


def agrees(found: dict[str, int], whole: dict[str, int]) -> bool:
    return (
        found["events"] == found["pageviews"] == whole["events"]
        and found["visits"] == found["event_visits"] == whole["visits"]
    )


def test_once_and_again(fresh: Sluice, log: str, whole: dict[str, int]) -> None:
    summary = imported(fresh, log, "--site", "example.com")
    assert (summary[""], summary["lines"]) == ("finished", f"{LINES:,}")
    found = totals(fresh)
    assert agrees(found, whole)
    Path(log).rename(f"{log}.1")
    Path(f"{log}.1.gz").write_bytes(gzip.compress(LOG))
    for name in (f"{log}.1", f"{log}.1.gz"):
        summary = imported(fresh, name, "--site", "example.com")
        assert summary[""] == "already imported: nothing is stored"
    assert totals(fresh) == found
    for path in (fresh.state / "imports").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"198.51." not in path.read_bytes()
        assert b"Mozilla" not in path.read_bytes()


def test_a_log_that_grows(fresh: Sluice, log: str, whole: dict[str, int]) -> None:
    for share in (0.3, 0.6, 1.0):
        Path(log).write_bytes(LOG[: int(len(LOG) * share)])
        imported(fresh, log, "--site", "example.com", "--growing")
    assert agrees(totals(fresh), whole)


def test_other_formats_and_standard_input(fresh: Sluice, tmp_path: Path) -> None:
    some = list(requests(500))
    path = tmp_path / "caddy.json"
    path.write_text("".join(caddy(request) + "\n" for request in some))
    summary = imported(fresh, str(path))  # each line names its site
    run = subprocess.run(
        [sys.executable, "-m", "ingest", "import", "-", "--site", "example.com", "--dry-run"],
        input="".join(combined(request) + "\n" for request in some).encode(),
        env=fresh.environment,
        cwd=fresh.directory,
        capture_output=True,
        check=True,
    )
    accepted = f"events accepted {summary['events accepted']}"
    assert accepted in " ".join(run.stdout.decode().split())


def states_of_imports(sluice: Sluice) -> dict[str, bytes]:
    """Return the content of each state file; the files that replace them have other suffixes."""
    return {path.name: path.read_bytes() for path in (sluice.state / "imports").glob("*.import")}


def killed_at(sluice: Sluice, arguments: list[str], seconds: float) -> None:
    """Begin an import, and kill the command after it has worked for some time."""
    before = states_of_imports(sluice)
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest", "import", *arguments],
        env=sluice.environment,
        cwd=sluice.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: process.poll() is not None or states_of_imports(sluice) != before)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_again_and_again(fresh: Sluice, log: str, whole: dict[str, int]) -> None:
    """Kill it after its first state file was written, while rows are sent to the store."""
    arguments = [log, "--site", "example.com"]
    for seconds in (0.0, 0.02, 0.1):
        killed_at(fresh, arguments, seconds)
    summary = imported(fresh, *arguments)
    assert summary["lines"] == f"{LINES:,}"
    assert agrees(totals(fresh), whole)


def test_while_a_server_runs(fresh: Sluice, log: str, whole: dict[str, int]) -> None:
    """Live events continue; the server is killed during the import, and then continues it."""
    arguments = [log, "--site", "example.com"]
    with fresh:
        assert fresh.send(url="https://example.com/now").status_code == 202
        process = subprocess.Popen(
            [sys.executable, "-m", "ingest", "import", *arguments],
            env=fresh.environment,
            cwd=fresh.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        wait_until(lambda: process.poll() is not None or states_of_imports(fresh))
        assert fresh.send(url="https://example.com/now").status_code == 202
        fresh.stop(signal.SIGKILL)
        _, message = process.communicate(timeout=WAIT_SECONDS)
        # It may have finished before the kill.
        assert process.returncode in (75, 0), message
        assert (b"the same command goes on" in message) is (process.returncode == 75)
    with fresh:
        summary = imported(fresh, *arguments)
        assert summary["lines"] == f"{LINES:,}"
        fresh.rows("SELECT 1 FROM events_v2 WHERE pathname = '/now'", 2)
        assert imported(fresh, *arguments)[""] == "already imported: nothing is stored"
        now = {"events": whole["events"] + 2, "visits": whole["visits"] + 1}
        assert agrees(totals(fresh), now)
        assert fresh.stop() == 0


def test_interrupted_by_ctrl_c(fresh: Sluice, log: str, whole: dict[str, int]) -> None:
    arguments = [log, "--site", "example.com"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest", "import", *arguments],
        env=fresh.environment,
        cwd=fresh.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: os.path.exists(fresh.state / "imports"))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=WAIT_SECONDS)
    # It may have finished before the signal.
    assert process.returncode in (130, 0)
    assert (b"stopped: the same command goes on" in output) is (process.returncode == 130)
    imported(fresh, *arguments)
    assert agrees(totals(fresh), whole)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["none.log"], "No such file"),
        (["sites.toml"], "in none of the formats"),
        (["sites.toml", "--site", "nope.example"], "nope.example is none of the sites"),
    ],
)
def test_mistakes(fresh: Sluice, arguments: list[str], problem: str) -> None:
    run = fresh.command("import", *arguments, "--dry-run")
    assert run.returncode == 1
    assert problem in run.stderr

"""`sluice import` at the fronts of a cluster: the same rows as of a single process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.access_logs import combined, requests
from tests.cluster.brokers import Brokers
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.cluster import Cluster, Member
from tests.end_to_end.sluice import Sluice
from tests.end_to_end.test_import import TOTALS, imported, totals
from tests.waiting import WAIT_SECONDS, wait_until

LINES = 30_000
SITE = ("--site", "example.com")
ROWS = "SELECT timestamp, pathname, referrer_source, browser, operating_system FROM events_v2"


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "access.log"
    path.write_bytes(b"".join(combined(request).encode() + b"\n" for request in requests(LINES)))
    return str(path)


@pytest.fixture
def whole(log: str, tmp_path: Path) -> tuple[dict[str, int], list[str]]:
    """The totals and the rows of the log as a single process stores it."""
    directory = tmp_path / "single"
    directory.mkdir()
    sluice = Sluice(directory, "chdb://chdb")
    imported(sluice, log, *SITE)
    run = sluice.command("query", ROWS)
    assert run.returncode == 0, run.stderr
    return totals(sluice), sorted(json.dumps(json.loads(row)) for row in run.stdout.splitlines())


def begin(front: Member, log: str) -> "subprocess.Popen[str]":
    """Start an import, and wait until some of its lines were sent."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest", "import", log, *SITE, "--json"],
        env=front.environment,
        cwd=front.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(
        lambda: process.poll() is not None or front.readiness()[1]["journal"]["bytes"] > 100_000,
        front.log_text,
    )
    return process


def stored(server: Sluice) -> tuple[dict[str, int], list[str]]:
    (sums,) = server.query(TOTALS)
    rows = [json.dumps(row) for row in server.query(ROWS)]
    return {name: int(value) for name, value in sums.items()}, sorted(rows)


def test_a_front_is_killed_and_the_other_goes_on(
    brokers: Brokers,
    clickhouse: ClickHouseServer,
    tmp_path: Path,
    log: str,
    whole: tuple[dict[str, int], list[str]],
) -> None:
    name = tmp_path.name.replace("-", "_")[-60:]
    with Cluster(tmp_path, clickhouse.url(name), brokers, f"{name}.") as cluster:
        first, second = cluster.fronts
        process = begin(first, log)
        first.stop(signal.SIGKILL)
        _, message = process.communicate(timeout=WAIT_SECONDS)
        assert (process.returncode, "the same command goes on" in message) == (75, True), message
        # A worker dies, too.
        cluster.workers[0].stop(signal.SIGKILL)
        summary = imported(second, log, *SITE)
        assert (summary[""], summary["lines"]) == ("finished", f"{LINES:,}")
        assert "visits" not in summary
        # What the first front has not noted as sent is sent again.
        first.start()
        cluster.workers[0].start()
        cluster.wait_whole()
        wait_until(
            lambda: stored(second)[0] == whole[0],
            lambda: f"{stored(second)[0]} {whole[0]}\n{cluster.log_text()[-3000:]}",
        )
        for front in cluster.fronts:
            assert imported(front, log, *SITE)[""] == "already imported: nothing is stored"
        assert first.stop() == 0
        # Without a server, in the directory of a front.
        known = imported(first, log, *SITE)
        assert known[""] == "already imported: nothing is stored"
        again = imported(first, log, *SITE, "--again")
        assert again["events accepted"] == summary["events accepted"]
        twice = {name: 2 * number for name, number in whole[0].items()}
        wait_until(lambda: stored(second)[0] == twice, cluster.log_text)
        assert stored(second)[1] == sorted([*whole[1], *whole[1]])

"""The letters of a worker, replayed from the command line."""

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.brokers import WAIT_SECONDS, Brokers
from tests.cluster.conftest import SECRET
from tests.cluster.faulty_worker import PATHNAME
from tests.cluster.node import ROOT
from tests.cluster.worker_process import SqliteStore
from tests.end_to_end.sluice import Sluice
from tests.ingest.commands.command_line import run

PARTITIONS = 2


def letters() -> dict[str, dict[str, Any]]:
    """What `sluice dead-letters --json` lists, by id."""
    result = run("dead-letters", "--json")
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert {each["place"] for each in found} <= {"cluster"}
    return {each["id"]: each for each in found}


def wait_for(condition: Callable[[], bool], explain: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.3)


@contextmanager
def faulty_worker(faults: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.faulty_worker", faults, *arguments], cwd=ROOT
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def a_front(directory: Path, brokers: Brokers, prefix: str) -> Sluice:
    directory.mkdir()
    front = Sluice(
        directory,
        "",
        KAFKA_BROKERS=brokers.addresses(),
        KAFKA_PREFIX=prefix,
        SLUICE_CLUSTER_SECRET=SECRET,
    )
    del front.environment["CLICKHOUSE_URL"]
    front.program = ("ingest", "serve", "--role", "front")
    return front


def test_letters_are_listed_replayed_and_stored_once(
    brokers: Brokers, prefix: str, tmp_path: Path
) -> None:
    created = run("engine", "create", "--partitions", str(PARTITIONS))
    assert created.exit_code == 0, created.output
    cluster = re.findall(r"id: (\w+)", created.output)[0]
    faults, database = tmp_path / "faults", tmp_path / "store.sqlite"
    faults.touch()
    store = SqliteStore(database)

    def stored() -> Counter[str]:
        return Counter(row[PATHNAME] for row in store.rows().get("events_v2", []))

    arguments = (brokers.addresses(), prefix, cluster, str(PARTITIONS), str(database))
    with (
        faulty_worker(faults, *arguments) as worker,
        a_front(tmp_path / "front", brokers, prefix) as front,
    ):
        # Events are refused until there is a salt.
        wait_for(lambda: front.send().status_code == 202, front.log_text)
        for pathname in ("/poisoned", "/refused"):
            assert front.send(url=f"https://example.com{pathname}").status_code == 202
        wait_for(lambda: len(letters()) == 2, letters)
        wait_for(lambda: stored() == Counter(["/"]), stored)
        poisoned, refused = sorted(letters().values(), key=lambda letter: str(letter["kind"]))
        assert (poisoned["domain"], poisoned["redriven"]) == ("example.com", 0)
        assert (refused["table"], refused["rows"]) == ("events_v2", 1)
        assert not poisoned["to_be_replayed"]
        shown = json.loads(run("dead-letters", "show", poisoned["id"]).stdout)
        assert shown["content"]["pathname"] == "/poisoned"
        shown = json.loads(run("dead-letters", "show", refused["id"]).stdout)
        assert shown["content"]["rows"][0][PATHNAME] == "/refused"

        # The faults are still there: the same letters wait again.
        ids = (poisoned["id"], refused["id"])
        assert run("dead-letters", "replay", *ids).exit_code == 0
        wait_for(
            lambda: (
                {name: letter["redriven"] for name, letter in letters().items()}
                == dict.fromkeys(ids, 1)
            ),
            letters,
        )
        assert not any(letter["to_be_replayed"] for letter in letters().values())
        assert stored() == Counter(["/"])

        faults.unlink()
        assert run("dead-letters", "replay", *ids).exit_code == 0
        wait_for(lambda: not letters(), letters)
        wait_for(lambda: stored() == Counter(["/", "/poisoned", "/refused"]), stored)

        faults.touch()
        assert front.send(url="https://example.com/poisoned").status_code == 202
        wait_for(lambda: len(letters()) == 1, letters)
        (dropped,) = letters()
        assert run("dead-letters", "drop", dropped).exit_code == 0
        assert letters() == {}
        faults.unlink()

        assert front.stop() == 0
        worker.terminate()
        assert worker.wait(WAIT_SECONDS) == 0
    assert stored() == Counter(["/", "/poisoned", "/refused"])

"""A command that finds nothing says so, to people only."""

import json
from pathlib import Path

import pytest

from tests.ingest.commands.command_line import run
from tests.ingest.commands.test_events import FakeServer, server

__all__ = ["server"]

REPORT = {"drops": [], "since": 1_700_000_000, "dropped_since": {}}


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("sites list", "sites.toml has no sites; `sluice sites add your.site` adds one."),
        ("drops", "No event was dropped since the server's start at 2023-11-14 22:13:20 (UTC)."),
        ("drops --site a.example", "No event of a.example was dropped since"),
        ("dead-letters", "There are no dead letters."),
        ("dead-letters list", "There are no dead letters."),
    ],
)
def test_nothing(sites_file: Path, server: FakeServer, command: str, says: str) -> None:
    sites_file.write_text("")
    server.answers["/api/drops"] = json.dumps(REPORT).encode()
    result = run(*command.split())
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(says)
    assert run(*command.split(), "--json").output == ""


def test_no_shields(sites_file: Path) -> None:
    sites_file.write_text('[[site]]\nid = 1\ndomain = "a.example"\n')
    result = run("shield", "list", "1")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "a.example has no shields.\n"
    assert run("shield", "list", "1", "--json").output == ""


@pytest.mark.parametrize("command", ["tail", "drops -f"])
def test_a_terminal_learns_that_it_waits(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    server.answers["/api/live"] = b""
    monkeypatch.setattr("ingest.commands.events.on_terminal", lambda stream: True)
    result = run(*command.split())
    assert result.stderr.startswith("Waiting for events, until Ctrl-C.\n")
    assert result.stdout.startswith("time (UTC)")

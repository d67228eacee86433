"""The command on real settings; the end-to-end tests try it beside a running server."""

import json
from pathlib import Path

import pytest

from ingest.check.report import Report, ok, problem, section
from tests.ingest.commands.command_line import run


@pytest.fixture(autouse=True)
def _report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = Report((section("machine", [ok("it is noon")]),))
    monkeypatch.setattr("ingest.check.check", lambda *configuration: found)


def test_text() -> None:
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == ["machine", "  ok       it is noon"]
    assert "\x1b" not in result.stdout


def test_json() -> None:
    result = run("check", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["can_start"] is True


def test_a_problem_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Report((section("machine", [problem("no", "yes")]),))
    monkeypatch.setattr("ingest.check.check", lambda *configuration: bad)
    assert run("check").exit_code == 1
    assert run("check", "--json").exit_code == 1

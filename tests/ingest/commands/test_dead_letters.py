import json
from pathlib import Path

import pytest

from ingest.rows.batch import Insert
from tests.actors.fakes import LettersAtOnce
from tests.examples import NOON, an_event
from tests.ingest.commands.command_line import run


@pytest.fixture
def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LettersAtOnce:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_STATE_DIR", "state")
    monkeypatch.delenv("KAFKA_URL", raising=False)
    monkeypatch.delenv("KAFKA_BROKERS", raising=False)
    return LettersAtOnce(tmp_path / "state" / "dead-letters", lambda: float(NOON))


def test_no_letters(letters: LettersAtOnce) -> None:
    result = run("dead-letters")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "There are no dead letters.\n"
    assert run("dead-letters", "--json").output == ""


def test_letters_are_listed(letters: LettersAtOnce) -> None:
    letters.keep("writer", Insert("events_v2", ((1,), (2,)), "t"), "does not fit")
    letters.keep("gate", an_event(), ValueError("x"), redrive=True)
    lines = [json.loads(line) for line in run("dead-letters", "list", "--json").output.splitlines()]
    about = {line["kind"]: line for line in lines}
    assert about["rows"]["error"] == "does not fit"
    assert (about["rows"]["table"], about["rows"]["rows"]) == ("events_v2", 2)
    assert about["rows"]["to_be_replayed"] is False
    assert about["event"]["to_be_replayed"] is True
    assert about["event"]["created_at"] == "2026-09-22T12:00:00+00:00"
    assert about["event"]["place"] == "state_directory"


def test_a_broken_letter_is_listed_as_such(letters: LettersAtOnce, tmp_path: Path) -> None:
    letters.keep("writer", Insert("events_v2", ((1,),), "t"), "x")
    (path,) = (tmp_path / "state" / "dead-letters").iterdir()
    path.write_text("{")
    (line,) = run("dead-letters", "--json").output.splitlines()
    assert "not a dead letter" in json.loads(line)["error"]
    assert run("dead-letters", "show", path.stem).exit_code == 1


def test_a_letter_is_shown_replayed_and_dropped(letters: LettersAtOnce) -> None:
    letters.keep("writer", Insert("events_v2", ((1,),), "t"), "x")
    (letter_id,) = letters.ids()
    assert json.loads(run("dead-letters", "show", letter_id).output)["content"]["token"] == "t"
    assert run("dead-letters", "replay", letter_id).exit_code == 0
    letters.look()
    assert letters.to_redrive() == [letter_id]
    assert run("dead-letters", "drop", letter_id).exit_code == 0
    letters.look()
    assert len(letters) == 0


def test_letters_are_a_table(letters: LettersAtOnce) -> None:
    letters.keep("writer", Insert("events_v2", ((1,), (2,)), "t"), "line 1\n" + "x" * 100)
    letters.keep("gate", an_event(), ValueError("x"), redrive=True)
    head, *lines = run("dead-letters").output.splitlines()
    event, rows = sorted(lines, key=lambda line: " rows " in line)
    place = "state_directory"
    assert head.split() == ["ID", "TIME", "(UTC)", "KIND", "ABOUT", "PLACE", "REPLAY", "ERROR"]
    assert {line.split("  ", 1)[0] for line in lines} == set(letters.ids())
    assert f"2026-09-22T12:00:00  rows   2 of events_v2  {place}  -       line 1\\nxx" in rows
    assert rows.endswith("x…")
    assert f"2026-09-22T12:00:00  event  example.com     {place}  yes" in event


def test_json_goes_behind_the_command(letters: LettersAtOnce) -> None:
    result = run("dead-letters", "--json", "list")
    assert result.exit_code == 2
    assert "write --json behind list" in result.stderr


@pytest.mark.parametrize("command", ["show", "replay", "drop"])
def test_unknown_letters(letters: LettersAtOnce, command: str) -> None:
    result = run("dead-letters", command, "nobody")
    assert result.exit_code == 1
    assert result.output == "Error: no dead letter has the id 'nobody'\n"


def test_help_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "wrong")
    assert run("dead-letters", "list", "--help").exit_code == 0

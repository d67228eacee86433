import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from actors.files.atomic import locked_directory
from ingest.check.report import CheckResult, Level
from ingest.check.state import check_state, server_pid
from ingest.rows.batch import Insert
from ingest.server.state_files import StateFiles
from ingest.sessions import salts
from ingest.settings import Settings
from tests.actors.fakes import LettersAtOnce
from tests.actors.log.files import fail_with, open_log
from tests.actors.log.writable_checks import append_events

NOW = 1_790_078_400.0
RECORDED = Path(__file__).parents[2] / "actors" / "log" / "recorded" / "version-2"


def settings(directory: Path, **changes: Any) -> Settings:
    return Settings.model_construct(
        **{"state_dir": directory, "durability": "journal", "journal_megabytes": 1, **changes}
    )


def findings(directory: Path, **changes: Any) -> list[CheckResult]:
    return list(check_state(settings(directory, **changes), NOW))


def warned(directory: Path, **changes: Any) -> str:
    """All warnings, but that of the disk that the tests themselves run on."""
    return "\n".join(
        finding.text
        for finding in findings(directory, **changes)
        if finding.level is Level.WARNING and "and with it salts" not in finding.text
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "var"
    directory.mkdir(mode=0o700)
    return directory


def test_one_that_is_absent_is_made(tmp_path: Path) -> None:
    (found,) = findings(tmp_path / "a" / "var")
    assert found.level is Level.OK
    assert (tmp_path / "a" / "var").stat().st_mode & 0o777 == 0o700


def test_one_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (found,) = findings(tmp_path / "file" / "var")
    assert found.level is Level.PROBLEM


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    (found,) = findings(tmp_path / "var")
    assert found.level is Level.PROBLEM


def test_a_fresh_one_is_well(directory: Path) -> None:
    assert warned(directory) == ""
    texts = [finding.text for finding in findings(directory)]
    assert f"{directory}: writable, owner {os.geteuid()}, mode 0700" in texts
    assert "no salts yet: the start makes one" in texts
    assert "no dead letters" in texts


def test_what_others_can_read(directory: Path) -> None:
    directory.chmod(0o755)
    (directory / "salts.json").write_text("{}")
    (directory / "salts.json").chmod(0o644)
    text = warned(directory)
    assert "mode 0755" in text
    assert "others can read salts.json" in text


@pytest.mark.parametrize(
    ("age", "level", "says"),
    [
        (0, Level.OK, "made 0 hours ago"),
        (5 * 86_400, Level.OK, "120 hours old: the next start replaces it"),
        (-7200, Level.WARNING, "in the future"),
    ],
)
def test_salts(directory: Path, age: int, level: Level, says: str) -> None:
    made = salts.start(None, b"k" * 16, NOW - age)
    (directory / "salts.json").write_text(salts.serialise(made))
    (found,) = (finding for finding in findings(directory) if "the salt" in finding.text)
    assert found.level is level
    assert says in found.text


def test_no_room_for_salts(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = shutil.disk_usage(directory)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: used)
    texts = [f.text for f in findings(directory) if f.level is Level.PROBLEM]
    assert texts == ["no salts yet, and no room on the disk for them"]


def test_salts_that_are_none(directory: Path) -> None:
    (directory / "salts.json").write_text("{")
    problems = [f for f in findings(directory) if f.level is Level.PROBLEM]
    assert "salts.json" in problems[0].text


async def test_the_journal_s_backlog(directory: Path) -> None:
    files = StateFiles(directory)
    log = open_log(files.journal)
    await append_events(log, 0, 3)
    await append_events(log, 3, 6)
    log.close()
    texts = [finding.text for finding in findings(directory)]
    assert any(text.startswith("journal: 6 events wait for") for text in texts)
    assert warned(directory) == ""
    (files.journal / "1.damaged").write_bytes(b"")
    assert "1 damaged files" in warned(directory)


def test_the_backlog_of_an_old_journal(directory: Path) -> None:
    shutil.copytree(RECORDED / "state" / "journal", StateFiles(directory).journal)
    texts = [finding.text for finding in findings(directory)]
    assert any(text.startswith("journal: 24 events wait for") for text in texts)


async def test_a_journal_that_grows(directory: Path) -> None:
    log = open_log(StateFiles(directory).journal)
    while log.bytes <= 500_000:
        await append_events(log, 0, 500)
    log.close()
    assert "of 1 MB used" in warned(directory)


async def test_a_journal_that_cannot_be_read(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(StateFiles(directory).journal)
    log.close()
    monkeypatch.setattr("ingest.check.state.inspect_log", fail_with(errno.EIO))
    problems = [found.text for found in findings(directory) if found.level is Level.PROBLEM]
    assert problems == ["the journal cannot be read: Input/output error"]


def test_too_little_room(directory: Path) -> None:
    text = warned(directory, journal_megabytes=10**9)
    assert "MB are free on the disk, the journal may need" in text
    assert warned(directory, journal_megabytes=10**9, durability="memory") == ""


def test_dead_letters(directory: Path) -> None:
    letters = LettersAtOnce(StateFiles(directory).dead_letters)
    letters.keep("writer", Insert("events_v2", ((1,),), "t"), "refused")
    letters.keep("writer", Insert("events_v2", ((2,),), "u"), "refused", redrive=True)
    assert "2 dead letters, 1 of them to be put back" in warned(directory)


def test_who_serves(directory: Path) -> None:
    files = StateFiles(directory)
    assert server_pid(files) is None
    with locked_directory(directory):
        assert server_pid(files) == 0
        files.server.write_text(json.dumps({"pid": 1234}))
        assert server_pid(files) == 1234
        assert any("process 1234" in finding.text for finding in findings(directory))
    assert server_pid(files) is None


@pytest.mark.parametrize(
    ("kind", "says"),
    [("tmpfs", "it is in memory"), ("overlay", "a container's own layer"), ("ext4", None)],
)
def test_what_goes_with_the_machine(
    directory: Path, monkeypatch: pytest.MonkeyPatch, kind: str, says: str | None
) -> None:
    mounts = (
        f"none / ext4 rw 0 0\nnone {directory.parent} {kind} rw 0 0\nnone {directory}x tmpfs 0 0\n"
    )
    monkeypatch.setattr("ingest.check.state.MOUNTS", directory / "mounts")
    (directory / "mounts").write_text(mounts)
    texts = [f.text for f in findings(directory) if "and with it salts" in f.text]
    assert [says in text for text in texts if says] == ([] if says is None else [True])

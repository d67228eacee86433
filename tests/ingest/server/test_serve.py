import errno
import sys
from pathlib import Path

import pytest

from ingest.server import serve as serving
from ingest.server.serve import serve
from ingest.server.start_files import StartError
from ingest.settings import Settings


@pytest.fixture(autouse=True)
def _unchanged_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's own settings stay as they are."""
    monkeypatch.setattr(sys, "setswitchinterval", lambda *_: None)
    monkeypatch.setattr(serving, "raise_file_limit", lambda: None)


def settings(directory: Path) -> Settings:
    return Settings().model_copy(
        update={
            "port": 0,
            "host": "127.0.0.1",
            "state_dir": directory,
            "clickhouse_url": "clickhouse://127.0.0.1:1/sluice",
            "sites": Path("config/sites.toml").absolute(),
        }
    )


@pytest.mark.parametrize(
    ("name", "is_directory", "reason"),
    [
        ("", False, "File exists"),
        ("lock", True, "Is a directory"),
        ("salts.json", True, "Is a directory"),
        ("checkpoint", True, "Is a directory"),
        ("journal", False, "Not a directory"),
        ("dead-letters", False, "Not a directory"),
    ],
)
def test_what_cannot_be_used_in_the_state_directory_is_one_sentence(
    tmp_path: Path, name: str, is_directory: bool, reason: str
) -> None:
    directory = tmp_path / "state"
    path = directory / name
    if name:
        directory.mkdir()
    if is_directory:
        path.mkdir()
    else:
        path.touch()
    with pytest.raises(StartError, match=f"^SLUICE_STATE_DIR: {reason}: {path}"):
        serve(settings(directory))


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, durable: bool) -> None:
        # As `write` raises it: it knows no name.
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("actors.keepers.salt_keeper.write_state", fail)
    with pytest.raises(StartError, match=r"^SLUICE_STATE_DIR: No space left on device$"):
        serve(settings(tmp_path))


def test_several_errors_are_no_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> int:
        raise ExceptionGroup("two", [OSError(errno.EIO, "a"), ZeroDivisionError()])

    monkeypatch.setattr(serving, "_composition_root", lambda role: fail)
    with pytest.raises(ExceptionGroup):
        serve(settings(tmp_path))

import os
import resource
from pathlib import Path

import pytest

from actors.stores.chdb_session import (
    LEAST_FILES,
    check_open_files,
    lock_holder,
    prepare_directory,
)
from actors.stores.store import StoreMisconfigured


@pytest.mark.parametrize("allowed", [LEAST_FILES, resource.RLIM_INFINITY])
def test_enough_open_files(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    check_open_files()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreMisconfigured, match=r"cannot make the directory .*: Not a directory"):
        prepare_directory(tmp_path / "file" / "chdb")


def test_a_directory_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreMisconfigured, match="cannot write to the directory"):
        prepare_directory(tmp_path)


def test_a_lock_that_cannot_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "status").mkdir()
    with pytest.raises(StoreMisconfigured, match=r"cannot use .*status: Is a directory"):
        lock_holder(tmp_path)

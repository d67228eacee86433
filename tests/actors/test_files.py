import stat
import subprocess
import sys
from pathlib import Path

import pytest

from actors.files import StateDirectoryBusyError, locked_directory, write_atomically


@pytest.mark.parametrize("durable", [False, True])
def test_writes_for_the_owner_only(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "salts"
    write_atomically(path, b"old", durable=durable)
    write_atomically(path, b"new", durable=durable)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "directory"
    (path / "occupied").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert (path / "occupied").is_dir()
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_for_one_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from actors.files import locked_directory\n"
        "with locked_directory(Path(sys.argv[1])): print('locked')"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with (
        locked_directory(tmp_path),
        pytest.raises(StateDirectoryBusyError, match="another"),
        locked_directory(tmp_path),
    ):
        pass
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout == "locked\n"


def test_makes_the_directory_for_the_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    with locked_directory(directory):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700

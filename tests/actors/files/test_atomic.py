import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from actors.files import atomic as files
from actors.files.atomic import (
    FileChangedError,
    StateDirectoryBusyError,
    edit_file,
    locked_directory,
    write_atomically,
    write_state,
)


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


@pytest.mark.parametrize("size", [2, 200])
def test_small_state_is_written_in_place_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def fail(*arguments: object, **keywords: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "state"
    write_state(path, b"old content")
    monkeypatch.setattr(files, "write_atomically", fail)
    write_state(path, b"x" * size)
    assert path.read_bytes() == b"x" * size
    with pytest.raises(OSError, match="No space"):
        write_state(tmp_path / "another", b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_for_one_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from actors.files.atomic import locked_directory\n"
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


def test_an_edited_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    assert edit_file(path, lambda content: content + b" and new")
    assert path.read_bytes() == b"old and new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_an_edited_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_bytes(b"old")
    os.chown(path, 1234, 4321)
    edit_file(path, lambda _: b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        assert edit_file(tmp_path / "sites.toml", lambda content: content + b"new")
    finally:
        os.umask(umask)
    assert (tmp_path / "sites.toml").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "sites.toml").stat().st_mode) == 0o640


def test_an_edit_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_bytes(b"old")
    before = path.stat()
    assert not edit_file(path, lambda content: content)
    assert path.stat().st_ino == before.st_ino


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "sites.toml").write_bytes(b"old")
    link = tmp_path / "sites.toml"
    link.symlink_to("a/sites.toml")
    edit_file(link, lambda _: b"new")
    assert link.is_symlink()
    assert (tmp_path / "a" / "sites.toml").read_bytes() == b"new"


def test_another_editor_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_bytes(b"old")

    def interfere(_: bytes) -> bytes:
        path.write_bytes(b"theirs")
        return b"ours"

    with pytest.raises(FileChangedError, match="changed by somebody else"):
        edit_file(path, interfere)
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_edit_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        edit_file(path, lambda _: b"new" if 1 / 0 else b"")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_editors_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    program = (
        "import sys; from pathlib import Path; from actors.files.atomic import edit_file\n"
        "for n in range(200): edit_file(Path(sys.argv[1]), lambda content: content + b'x')"
    )
    editors = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(3)]
    assert [editor.wait() for editor in editors] == [0, 0, 0]
    assert path.read_bytes() == 600 * b"x"

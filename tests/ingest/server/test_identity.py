import stat
from pathlib import Path

import pytest

from ingest.server.identity import identify_server, read_directory_id


def test_the_directory_keeps_its_id_and_each_process_has_its_own(tmp_path: Path) -> None:
    path = tmp_path / "server-id"
    assert read_directory_id(path) is None
    first, second = identify_server(path, 8000), identify_server(path, 8001)
    assert first.directory == second.directory == read_directory_id(path)
    assert first.process != second.process
    assert second.name.endswith(":8001")
    assert (first.role, first.cluster) == ("all", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_directories_have_different_ids(tmp_path: Path) -> None:
    ids = {identify_server(tmp_path / name, 8000).directory for name in ("a", "b")}
    assert len(ids) == 2


@pytest.mark.parametrize("content", [b"", b"\xff" * 32, b"x" * 32, b"0" * 31])
def test_a_damaged_id_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "server-id"
    path.write_bytes(content)
    assert read_directory_id(path) is None
    assert identify_server(path, 8000).directory == read_directory_id(path)


def test_an_id_that_cannot_be_written_lasts_for_the_process(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "server-id"
    assert len(identify_server(path, 8000).directory) == 32
    assert read_directory_id(path) is None

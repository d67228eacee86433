from pathlib import Path

from ingest.server.state_files import StateFiles


def test_files_have_names_of_their_own(tmp_path: Path) -> None:
    files = StateFiles(tmp_path)
    paths = {files.salts, files.sessions, files.journal, files.dead_letters, files.server}
    assert len(paths) == 5
    assert {path.parent for path in paths} == {tmp_path}

from pathlib import Path

import pytest

from ingest.sessions.session import begin
from ingest.state_files import StateFiles, save_sessions, take_sessions
from tests.examples import an_enriched_event

VISIT = begin(an_enriched_event(), 7)


def test_visits_are_taken_over_once(tmp_path: Path) -> None:
    path = StateFiles(tmp_path).sessions
    save_sessions(path, [VISIT])
    assert list(take_sessions(path)) == [VISIT]
    assert list(take_sessions(path)) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"garbage"])
def test_a_broken_file_costs_the_visits_and_not_the_start(tmp_path: Path, content: bytes) -> None:
    path = StateFiles(tmp_path).sessions
    path.write_bytes(content)
    assert list(take_sessions(path)) == []
    assert not path.exists()


def test_files_have_names_of_their_own(tmp_path: Path) -> None:
    files = StateFiles(tmp_path)
    paths = {files.salts, files.sessions, files.dead_letters, files.server}
    assert len(paths) == 4
    assert {path.parent for path in paths} == {tmp_path}

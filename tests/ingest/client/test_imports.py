"""Imports of the command line. `tests/end_to_end/test_import.py` has the rest."""

from pathlib import Path

import pytest

from ingest.client.imports import ImportFailedError, import_past
from ingest.http.import_routes import NO_IMPORTS
from ingest.past.import_request import ImportRequest
from ingest.server.state_files import StateFiles
from ingest.settings import Settings


def test_the_directory_of_a_front_is_left_alone(tmp_path: Path) -> None:
    files = StateFiles(tmp_path)
    files.cluster.write_text("{}")
    settings = Settings().model_copy(update={"state_dir": tmp_path})
    shown: list[object] = []
    with pytest.raises(ImportFailedError) as failed:
        import_past(settings, ImportRequest(("/a",)), shown.append)
    assert str(failed.value) == f"{tmp_path} is the directory of a front: {NO_IMPORTS}"
    assert [each.name for each in tmp_path.iterdir()] == ["cluster.json"]

"""The check of a database that cannot be read; the end-to-end tests check one that can."""

from pathlib import Path

import pytest

from ingest.check.plausible import check_plausible
from ingest.check.report import Level
from ingest.server.state_files import StateFiles
from ingest.sites.site import SiteRegistry
from tests.examples import NOON


@pytest.mark.parametrize(
    ("url", "text", "advice"),
    [
        ("postgres://u:qzx@127.0.0.1:1/d", "onnection refused", "start PostgreSQL"),
        ("postgres://u:qzx@host.invalid/d", "host.invalid", "check the name of the host"),
        ("postgres://u:qzx@qzx@h/d", "cannot be read: expected postgres://", "docs/plausible.md"),
    ],
)
def test_failures_are_explained(tmp_path: Path, url: str, text: str, advice: str) -> None:
    (found,) = check_plausible(url, SiteRegistry(), StateFiles(tmp_path), NOON)
    assert found.level is Level.PROBLEM
    assert text in found.text
    assert advice in found.advice
    assert "qzx" not in found.text


def test_a_server_can_start_from_what_was_saved(tmp_path: Path) -> None:
    files = StateFiles(tmp_path)
    files.plausible.write_text("")
    (found,) = check_plausible("postgres://127.0.0.1:1/d", SiteRegistry(), files, NOON)
    assert found.level is Level.WARNING
    assert "a server uses the sites that were last read there" in found.text
    assert "start PostgreSQL" in found.advice

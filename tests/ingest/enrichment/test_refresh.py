import shutil
from pathlib import Path

import pytest

from ingest.enrichment.refresh import DATA, main, refresh, source_categories


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    directory = tmp_path / "lists"
    directory.mkdir()
    (directory / "ga4_source_categories.csv").write_text(
        "source,source_category\nb,SOURCE_CATEGORY_SOCIAL\na,SOURCE_CATEGORY_SEARCH\n"
    )
    (directory / "referrer_spammers.txt").write_text("b.spam\na.spam\nb.spam\n")
    return directory


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


def test_rebuilds_the_tables(lists: Path, data: Path) -> None:
    refresh(lists, data)
    assert (data / "source_categories.csv").read_text().splitlines() == [
        "source,category",
        "a,SEARCH",
        "b,SOCIAL",
    ]
    assert (data / "referrer_spammers.txt").read_text() == "a.spam\nb.spam\n"


def test_the_same_lists_make_the_same_tables(lists: Path, data: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(data, again)
    refresh(lists, data)
    refresh(lists, again)
    for path in data.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_nothing_published_is_nothing() -> None:
    assert source_categories([]) == []


def test_a_missing_list_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in DATA.iterdir()}
    monkeypatch.setattr("sys.argv", ["refresh", str(tmp_path)])
    assert main() == 1
    assert "ga4_source_categories.csv" in capsys.readouterr().err
    assert before == {path.name: path.stat().st_mtime_ns for path in DATA.iterdir()}

"""The distribution: what it contains, and that it runs where nothing else is installed."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.sluice import Sluice

ROOT = Path(__file__).parents[2]
DATA = {".csv", ".css", ".html", ".js", ".json", ".md", ".svg", ".txt", ".typed"}
OUTSIDE = ("CHANGELOG.md", "LICENSE", "NOTICE", "README.md", "config/sites.toml", "docs/cluster.md")


def build(directory: Path) -> dict[str, Path]:
    """Build both archives, as the commit in the checkout; the paths by their suffixes."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(directory)],
        cwd=ROOT,
        env={"SOURCE_DATE_EPOCH": "1700000000"},
        check=True,
        capture_output=True,
    )
    return {path.suffix: path for path in directory.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("built"))


def test_building_again_gives_the_same_bytes(built: dict[str, Path], tmp_path: Path) -> None:
    again = build(tmp_path)
    assert sorted(again) == [".gz", ".whl"]
    for suffix, path in again.items():
        assert path.read_bytes() == built[suffix].read_bytes()


def test_the_wheel_has_the_packages_and_nothing_else(built: dict[str, Path]) -> None:
    names = zipfile.ZipFile(built[".whl"]).namelist()
    modules = [name for name in names if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in modules} == {"actors", "ingest"}
    assert {Path(name).suffix for name in modules} <= DATA | {".py"}
    kept = {
        str(path.relative_to(ROOT))
        for room in ("actors", "ingest")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert kept == set(modules)
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_the_source_archive_has_the_documents(built: dict[str, Path]) -> None:
    with tarfile.open(built[".gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names.issuperset(OUTSIDE)
    assert not {name for name in names if name.startswith(("tests/", "benchmarks/", ".venv/"))}


def test_it_serves_where_nothing_else_is_installed(
    built: dict[str, Path], clickhouse: ClickHouseServer, tmp_path: Path
) -> None:
    venv.create(tmp_path / "empty", with_pip=False)
    python = tmp_path / "empty" / "bin" / "python"
    for arguments in (
        ("install", "--requirement", "requirements/runtime.txt"),
        ("install", "--no-deps", str(built[".whl"])),
        ("check",),
    ):
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--python", str(python), *arguments], cwd=ROOT, check=True)
    server = Sluice(tmp_path, clickhouse.url("package"))
    server.interpreter = str(python)
    del server.environment["PYTHONPATH"]
    with server:
        assert server.send(url="https://example.com/packaged").text == "ok"
        (event,) = server.events("pathname = '/packaged'")
        assert event["browser"] == "Chrome"
        assert server.client.get("/js/script.js").status_code == 200
        assert server.client.get("/").status_code == 200
        assert server.stop() == 0

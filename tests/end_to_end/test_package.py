"""The distribution: what it contains, and that it runs where nothing else is installed."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.sluice import Sluice

ROOT = Path(__file__).parents[2]
DATA = {".csv", ".css", ".html", ".js", ".json", ".md", ".svg", ".toml", ".txt", ".typed"}
SOURCES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
    "targets"
]["sdist"]["only-include"]
OUTSIDE = {
    "CHANGELOG.md",
    "LICENSE",
    "NOTICE",
    "README.md",
    "config/grafana-dashboard.json",
    "config/sites.toml",
    "config/sluice.service",
    "docs/cluster.md",
}


def build(directory: Path, *, root: Path = ROOT, targets: Sequence[str] = ()) -> dict[str, Path]:
    """Build archives, as the commit in the checkout; the paths by their suffixes."""
    options = [option for target in targets for option in ("--target", target)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(directory), *options],
        cwd=root,
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


def test_the_source_archive_has_what_is_kept_and_nothing_else(built: dict[str, Path]) -> None:
    with tarfile.open(built[".gz"]) as archive:
        names = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}
    assert names.issuperset(OUTSIDE)
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *SOURCES]
    kept = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert names == {*kept.splitlines(), "PKG-INFO", "pyproject.toml", ".gitignore"}


def test_the_source_archive_gives_the_same_wheel(built: dict[str, Path], tmp_path: Path) -> None:
    with tarfile.open(built[".gz"]) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    wheel = build(tmp_path / "again", root=root, targets=["wheel"])[".whl"]
    assert wheel.read_bytes() == built[".whl"].read_bytes()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """The Python of an environment without packages, which later take up to 700 MB."""
    venv.create(tmp_path / "empty", with_pip=False)
    yield tmp_path / "empty" / "bin" / "python"
    shutil.rmtree(tmp_path / "empty")


@pytest.mark.parametrize("store", ["clickhouse", "chdb"])
def test_it_serves_where_nothing_else_is_installed(
    store: str, built: dict[str, Path], empty: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """With what `make run` installs, the embedded store lacks requirements that it names."""
    pins = "requirements/runtime.txt" if store == "clickhouse" else "requirements/embedded.txt"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for arguments in (("--requirement", pins), (str(built[".whl"]),)):
        subprocess.run(
            [*pip, "--python", str(empty), "install", "--no-deps", *arguments],
            cwd=ROOT,
            check=True,
        )
    if store == "clickhouse":
        subprocess.run([*pip, "--python", str(empty), "check"], check=True)
        clickhouse: ClickHouseServer = request.getfixturevalue("clickhouse")
        server = Sluice(tmp_path, clickhouse.url("package"))
    else:
        server = Sluice(tmp_path, "chdb://chdb")
    first = [str(empty), "-m", "ingest", "init", "--domain", "my.site"]
    subprocess.run(first, cwd=tmp_path, env={}, check=True)
    assert (tmp_path / "config" / "sites.toml").exists()
    server.interpreter = str(empty)
    del server.environment["PYTHONPATH"]
    with server:
        assert server.send(url="https://example.com/packaged").text == "ok"
        (event,) = server.events("pathname = '/packaged'")
        assert event["browser"] == "Chrome"
        assert server.client.get("/js/script.js").status_code == 200
        assert server.client.get("/").status_code == 200
        assert server.stop() == 0

"""The compiled wheel (`hatch_build.py`): its modules pass the tests that they pass as Python."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
MODULES: Final[list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"][
    "build"
]["targets"]["wheel"]["hooks"]["custom"]["modules"]

TESTS: Final = (
    "tests/ingest/request",
    "tests/ingest/http/fast_path",
    "tests/ingest/pipeline",
    "tests/ingest/enrichment/test_attribution.py",
    "tests/ingest/sessions/test_visitor.py",
)
"""The tests of these modules, and of what uses them most."""


def _can_compile() -> bool:
    compiler = str(sysconfig.get_config_var("CC")).split()[0]
    headers = Path(sysconfig.get_path("include"))
    return shutil.which(compiler) is not None and (headers / "Python.h").exists()


pytestmark = pytest.mark.skipif(
    not _can_compile(), reason="a C compiler and Python's headers are needed to compile modules"
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the compiled wheel has, and the tests."""
    directory = tmp_path_factory.mktemp("compiled")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory],
        cwd=ROOT,
        env={**os.environ, "HATCH_BUILD_HOOK_ENABLE_CUSTOM": "1"},
        check=True,
    )
    (wheel,) = directory.iterdir()
    assert not wheel.name.endswith("-any.whl")
    zipfile.ZipFile(wheel).extractall(directory)
    shutil.copytree(ROOT / "tests", directory / "tests")
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def run(directory: Path, *arguments: str) -> str:
    """Run Python in the directory, and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=directory, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


PRINT_FILES: Final = """
import importlib, sys
for path in sys.argv[1:]:
    print(importlib.import_module(path.removesuffix(".py").replace("/", ".")).__file__)
"""


def test_the_modules_are_compiled(unpacked: Path) -> None:
    files = run(unpacked, "-c", PRINT_FILES, *MODULES).split()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    expected = [str(unpacked / path.removesuffix(".py")) + suffix for path in MODULES]
    assert files == expected
    assert {path.name for path in unpacked.rglob("*.so")} == {
        *(Path(path).name for path in expected),
        f"ingest__mypyc{suffix}",
    }


def test_compiled_modules_pass_their_tests(unpacked: Path) -> None:
    assert " passed" in run(unpacked, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS)


def test_another_python_runs_the_modules_as_they_are(unpacked: Path, tmp_path: Path) -> None:
    """It does not see the libraries, which have this Python's suffix."""
    for room in ("actors", "ingest"):
        shutil.copytree(unpacked / room, tmp_path / room, ignore=shutil.ignore_patterns("*.so"))
    files = run(tmp_path, "-c", PRINT_FILES, *MODULES).split()
    assert files == [str(tmp_path / path) for path in MODULES]

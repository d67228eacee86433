"""The pinned lists agree: each installs the versions of the others."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTS = ("runtime", "server", "embedded", "development")
"""Each has all packages of those before it."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)
_NAME = re.compile(r"^[A-Za-z0-9._-]+")


def pins(name: str) -> dict[str, str]:
    """The versions of a list, by their packages' names."""
    return dict(_PIN.findall((ROOT / "requirements" / f"{name}.txt").read_text()))


@pytest.mark.parametrize(("smaller", "larger"), list(pairwise(LISTS)))
def test_a_larger_list_has_what_a_smaller_one_has(smaller: str, larger: str) -> None:
    assert pins(smaller).items() <= pins(larger).items()


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("runtime", ()),
        ("server", ("kafka", "plausible", "telemetry")),
        ("embedded", ("kafka", "plausible", "telemetry", "embedded")),
        ("development", ("kafka", "plausible", "telemetry", "embedded", "dev")),
    ],
)
def test_a_list_has_what_the_project_needs(name: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    names = {re.sub(r"[._]", "-", match[0].lower()) for match in map(_NAME.match, wanted) if match}
    assert names <= pins(name).keys()


def test_what_the_embedded_store_does_not_need_is_for_development_only() -> None:
    needless = {"pandas", "pyarrow", "numpy"}
    assert not needless & pins("embedded").keys()
    assert needless <= pins("development").keys()

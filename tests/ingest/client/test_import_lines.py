from pathlib import Path

import pytest

from ingest.client.import_lines import ImportLines, as_understood, read_lines, shown
from ingest.past.import_counts import ImportCounts
from ingest.past.import_progress import ImportProgress, Phase
from ingest.past.import_request import ImportRequest, ImportSelection
from ingest.request.client_address import TrustedProxies
from tests.examples import a_request
from tests.ingest.past.lines import COMBINED

LINES = [
    COMBINED,
    "nonsense",
    COMBINED.replace("GET /a", "POST /a"),
    COMBINED.replace("/a", "/b"),
    "more \x1b[31mnonsense",
    COMBINED.replace("/a", "/c"),
    COMBINED.replace("/a", "/d"),
    "the last",
]


def lines_of(*paths: Path, dry_run: bool = True, **examples: int) -> ImportLines:
    request = ImportRequest(
        tuple(map(str, paths)), selection=ImportSelection("example.com"), dry_run=dry_run
    )
    counts = ImportCounts(examples=examples)
    progress = ImportProgress("", Phase.FINISHED, "access-log", 1, 1, counts)
    return read_lines(request, progress, TrustedProxies.parse("private"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_text("\n".join(LINES))
    return path


def test_a_dry_run_shows_three_events(log: Path) -> None:
    found = lines_of(log, odd=2, other=5)
    assert found.broken == {2: "nonsense", 5: r"more \x1b[31mnonsense"}
    assert [(number, event.pathname) for number, event in found.events] == [
        (1, "/a"),
        (4, "/b"),
        (6, "/c"),
    ]


def test_otherwise_broken_lines_only(log: Path) -> None:
    assert lines_of(log, dry_run=False, odd=8) == ImportLines({8: "the last"})


def test_several_files_count_as_one(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    other.write_text("nothing\n")
    assert lines_of(log, other, dry_run=False, odd=9).broken == {9: "nothing"}


def test_a_file_that_has_gone(tmp_path: Path) -> None:
    assert lines_of(tmp_path / "none", odd=1) == ImportLines()


def test_what_a_terminal_may_get() -> None:
    assert shown("  a\tb\x07\u202ec\n") == r"a\tb\x07\u202ec"
    assert shown("x" * 200) == "x" * 160 + "…"
    assert shown("\udcff") == r"\udcff"


def test_as_understood() -> None:
    event = a_request(query={"b": "c"}, referrer="https://t.co/x", user_agent=None)
    assert as_understood(7, event) == [
        "line 7 as understood:",
        "  time      2026-09-22 12:00:00 UTC",
        "  event     pageview",
        "  page      example.com/?b=c",
        "  referrer  https://t.co/x",
        "  visitor   203.0.113.9",
        "  agent     none",
    ]

import json
from dataclasses import replace

import pytest

from ingest.fold.import_sessions import ImportFigures
from ingest.past.import_counts import OTHER_REASONS, REASONS, ImportCounts


def test_counting() -> None:
    counts = ImportCounts()
    counts.drop("bot")
    counts.drop("bot")
    counts.skip("asset")
    for number in (3, 4, 7):
        counts.break_at(number, "odd")
    counts.break_at(5, "even")
    assert (counts.dropped, counts.skipped) == ({"bot": 2}, {"asset": 1})
    assert counts.broken == {"odd": 3, "even": 1}
    assert counts.broken_lines == 4
    assert counts.examples == {"odd": 3, "even": 5}
    assert ImportCounts.from_json(json.loads(json.dumps(counts.to_json()))) == counts


@pytest.mark.parametrize(
    ("lines", "broken", "too_broken"), [(0, 0, False), (10, 1, False), (9, 1, True), (1, 1, True)]
)
def test_how_many_lines_may_be_broken(lines: int, broken: int, too_broken: bool) -> None:
    assert ImportCounts(lines, broken={"odd": broken}).too_broken is too_broken


def test_what_the_fold_adds() -> None:
    counts = ImportCounts(accepted=9, visits=1, dropped={"bot": 2})
    assert counts.with_figures(ImportFigures(4, 0)) == replace(counts, visits=5)
    assert counts.with_figures(ImportFigures(0, 3)) == replace(
        counts, accepted=6, dropped={"bot": 2, "no_session_for_engagement": 3}
    )
    assert counts.dropped == {"bot": 2}


def test_reasons_are_bounded() -> None:
    counts = ImportCounts()
    for number in range(REASONS + 5):
        counts.break_at(number, f"odd {number}")
    assert len(counts.broken) == REASONS + 1
    assert counts.broken[OTHER_REASONS] == 5
    assert counts.examples[OTHER_REASONS] == REASONS


def test_counts_of_before_reasons_were_counted() -> None:
    before = {"broken": 7, "examples": [[3, "odd"], [5, "even"], [9, "odd"]]}
    counts = ImportCounts.from_json({**ImportCounts().to_json(), **before})
    assert counts.broken == {"odd": 2, "even": 1, OTHER_REASONS: 4}
    assert counts.examples == {"odd": 3, "even": 5}


@pytest.mark.parametrize("document", [{}, {**ImportCounts().to_json(), "dropped": 1}])
def test_something_else(document: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        ImportCounts.from_json(document)

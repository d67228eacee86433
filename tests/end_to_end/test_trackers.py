"""What each tracker does in a real browser, and the rows that come of it, compared in full."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.journeys import (
    Journey,
    collector_for,
    expected_rows,
    expected_visit,
    in_order,
    walk,
)
from tests.end_to_end.pages import Pages
from tests.end_to_end.sluice import Sluice
from tests.end_to_end.trackers import JOURNEYS


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    """A collector that knows all journeys' sites."""
    with collector_for(JOURNEYS, tmp_path_factory.mktemp("trackers")) as server:
        yield server


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.site)
def test_journeys(journey: Journey, browser: Browser, pages: Pages, collector: Sluice) -> None:
    walked = walk(journey, browser, pages, collector)
    for step, rows in zip(journey.steps, walked.rows, strict=True):
        expected = expected_rows(journey, step, pages.port)
        assert in_order(rows) == in_order(expected), step.did
    assert walked.visits == [expected_visit(journey)]
    assert walked.problems == []

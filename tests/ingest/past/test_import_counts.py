import json

import pytest

from ingest.past.import_counts import EXAMPLES, ImportCounts


def test_counting() -> None:
    counts = ImportCounts()
    counts.drop("bot")
    counts.drop("bot")
    counts.skip("asset")
    for number in range(EXAMPLES + 2):
        counts.break_at(number, "odd")
    assert (counts.dropped, counts.skipped, counts.broken) == ({"bot": 2}, {"asset": 1}, 7)
    assert counts.examples == [(number, "odd") for number in range(EXAMPLES)]
    assert ImportCounts.from_json(json.loads(json.dumps(counts.to_json()))) == counts


@pytest.mark.parametrize("document", [{}, {**ImportCounts().to_json(), "dropped": 1}])
def test_something_else(document: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        ImportCounts.from_json(document)

import json

import pytest

from ingest.past.import_counts import EXAMPLES, Counts


def test_counting() -> None:
    counts = Counts()
    counts.drop("bot")
    counts.drop("bot")
    counts.skip("asset")
    for number in range(EXAMPLES + 2):
        counts.break_at(number, "odd")
    assert (counts.dropped, counts.skipped, counts.broken) == ({"bot": 2}, {"asset": 1}, 7)
    assert counts.examples == [(number, "odd") for number in range(EXAMPLES)]
    assert Counts.from_json(json.loads(json.dumps(counts.to_json()))) == counts


@pytest.mark.parametrize("document", [{}, {**Counts().to_json(), "dropped": 1}])
def test_something_else(document: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        Counts.from_json(document)

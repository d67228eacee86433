from collections import Counter

import pytest

from ingest.observation.minute_counts import MINUTES, MinuteCounts


def make_counts(limit: int = 10) -> MinuteCounts[str]:
    return MinuteCounts(limit, lambda key: f"{key[0]}…")


def test_counts_of_the_hour_and_of_its_end() -> None:
    counts = make_counts()
    counts.count("a")
    counts.close_minute()
    counts.count("a")
    counts.count("b")
    assert counts.of_hour() == Counter(a=2, b=1)
    assert counts.of_last(1) == Counter(a=1, b=1)
    assert counts.of_last(2) == Counter(a=2, b=1)
    assert counts.per_minute("a") == [*[0] * (MINUTES - 2), 1, 1]


@pytest.mark.parametrize(("minutes", "kept"), [(MINUTES - 1, 1), (MINUTES, 0)])
def test_forgets_after_an_hour(minutes: int, kept: int) -> None:
    counts = make_counts()
    counts.count("a")
    for _ in range(minutes):
        counts.close_minute()
    assert counts.of_hour()["a"] == counts.of_last(MINUTES)["a"] == kept
    assert counts.per_minute("a") == [*[1] * kept, *[0] * (MINUTES - kept)]


def test_keys_of_a_minute_are_bounded() -> None:
    counts = make_counts(limit=2)
    for key in ("a1", "a2", "b1", "b2", "c1", "a1"):
        counts.count(key)
    assert counts.of_hour() == {"a1": 2, "a2": 1, "b…": 2, "c…": 1}
    counts.close_minute()
    counts.count("b1")
    assert counts.of_hour()["b1"] == 1


def test_keys_of_an_hour_are_bounded() -> None:
    counts = MinuteCounts(10, lambda key: f"{key[0]}…", hour_limit=2)
    for key in ("a1", "a2"):
        counts.count(key)
    counts.close_minute()
    for key in ("a1", "b1"):
        counts.count(key)
    assert counts.of_hour() == {"a1": 2, "a2": 1, "b…": 1}
    for _ in range(MINUTES):
        counts.close_minute()
    counts.count("b1")
    assert counts.of_hour() == {"b1": 1}

import pytest

from ingest.fold import counts as module
from ingest.fold.counts import (
    MAX_BUCKETS,
    MAX_DOMAINS,
    MAX_VERSIONS,
    OTHER_DOMAINS,
    CounterRow,
    Counters,
)

MINUTE = 1_700_000_040
"""A multiple of 60."""


def site_id(domain: str) -> int | None:
    return {"example.com": 1}.get(domain)


def rows(counters: Counters, now: int | None = None) -> tuple[CounterRow, ...]:
    return counters.take(now, site_id)


def test_rows_have_the_columns_of_the_table() -> None:
    counters = Counters()
    counters.count(MINUTE + 37, "buffered", "example.com", 36)
    counters.count(MINUTE + 38, "buffered", "example.com", 36)
    counters.count(MINUTE + 38, "dropped_not_found", "unknown.example", 0)
    assert rows(counters) == (
        (MINUTE, "example.com", 1, "buffered", 2, 36),
        (MINUTE, "unknown.example", None, "dropped_not_found", 1, 0),
    )


def test_every_part_of_the_key_counts_apart() -> None:
    counters = Counters()
    for metric, domain, version in (("a", "x", 1), ("b", "x", 1), ("a", "y", 1), ("a", "x", 2)):
        counters.count(MINUTE, metric, domain, version)
    assert [row[4] for row in rows(counters)] == [1, 1, 1, 1]


def test_buckets_of_ten_seconds_make_up_to_six_rows_a_minute() -> None:
    counters = Counters()
    for second in range(60):
        counters.count(MINUTE + second, "buffered", "example.com", 0)
    assert rows(counters) == ((MINUTE, "example.com", 1, "buffered", 10, 0),) * 6


def test_only_buckets_that_began_ten_seconds_ago_are_taken() -> None:
    counters = Counters()
    counters.count(MINUTE + 9, "buffered", "example.com", 0)
    counters.count(MINUTE + 10, "buffered", "example.com", 1)
    assert rows(counters, MINUTE + 9) == ()
    assert rows(counters, MINUTE + 10) == ((MINUTE, "example.com", 1, "buffered", 1, 0),)
    assert rows(counters, MINUTE + 19) == ()
    assert rows(counters, MINUTE + 20) == ((MINUTE, "example.com", 1, "buffered", 1, 1),)


def test_what_was_taken_is_gone_and_the_rest_can_be_taken_at_once() -> None:
    counters = Counters()
    counters.count(MINUTE, "buffered", "example.com", 0)
    assert len(rows(counters)) == 1
    assert rows(counters) == ()


def test_rows_are_in_the_order_of_time() -> None:
    counters = Counters()
    counters.count(MINUTE + 60, "buffered", "example.com", 0)
    counters.count(MINUTE, "buffered", "example.com", 0)
    assert [row[0] for row in rows(counters)] == [MINUTE, MINUTE + 60]


def test_versions_are_brought_into_range() -> None:
    counters = Counters()
    for version in (-1, 0, 65_535, 65_536, 10**30):
        counters.count(MINUTE, "buffered", "example.com", version)
    assert [row[4:] for row in rows(counters)] == [(2, 0), (3, 65_535)]


def test_invented_domains_are_counted_together_beyond_a_limit() -> None:
    counters = Counters()
    for number in range(MAX_DOMAINS + 5):
        counters.count(MINUTE, "dropped_not_found", f"{number}.example", 0)
    counters.count(MINUTE, "dropped_not_found", "0.example", 0)
    counters.count(MINUTE, "buffered", "example.com", 0)
    taken = {row[1:]: row for row in rows(counters)}
    assert len(taken) == MAX_DOMAINS + 2
    assert (OTHER_DOMAINS, None, "dropped_not_found", 5, 0) in taken
    assert ("0.example", None, "dropped_not_found", 2, 0) in taken
    assert ("example.com", 1, "buffered", 1, 0) in taken


def test_the_limit_starts_anew_with_each_bucket() -> None:
    counters = Counters()
    for number in range(MAX_DOMAINS + 1):
        counters.count(MINUTE, "dropped_not_found", f"{number}.example", 0)
    counters.count(MINUTE + 10, "dropped_not_found", "late.example", 0)
    assert rows(counters)[-1][1] == "late.example"


def test_buckets_of_a_clock_that_ran_ahead_are_taken() -> None:
    counters = Counters()
    counters.count(MINUTE + 86_400, "buffered", "example.com", 0)
    counters.count(MINUTE + 5, "buffered", "example.com", 0)
    assert [row[0] for row in rows(counters, MINUTE)] == [MINUTE + 86_400]


def test_a_store_that_is_away_for_days_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", MAX_BUCKETS + 5)
    counters = Counters()
    for number in range(MAX_BUCKETS + 10):
        counters.count(MINUTE + 10 * number, "buffered", "example.com", 0)
    latest = MINUTE + 10 * (MAX_BUCKETS + 20)
    for number in range(10):
        counters.count(latest, "buffered", f"{number}.example", 0)
    taken = rows(counters)
    assert len(taken) == MAX_BUCKETS + 6
    assert sum(row[4] for row in taken) == MAX_BUCKETS + 20
    assert [row[1:5] for row in taken[-2:]] == [
        ("4.example", None, "buffered", 1),
        (OTHER_DOMAINS, None, "buffered", 5),
    ]
    # There is room again.
    counters.count(latest, "buffered", "new.example", 0)
    assert rows(counters)[0][1] == "new.example"


def test_very_long_domains_are_not_kept() -> None:
    counters = Counters()
    counters.count(MINUTE, "dropped_not_found", "x" * 1_000_000, 0)
    assert rows(counters) == ((MINUTE, OTHER_DOMAINS, None, "dropped_not_found", 1, 0),)


def test_other_domains_are_no_site_even_if_any_domain_is_one() -> None:
    counters = Counters()
    counters.count(MINUTE, "buffered", "x" * 1000, 0)
    assert counters.take(None, lambda domain: 5)[0][2] is None


def test_invented_versions_are_counted_as_unknown_beyond_a_limit() -> None:
    counters = Counters()
    for version in range(1, MAX_VERSIONS + 4):
        counters.count(MINUTE, "buffered", "example.com", version)
    taken = rows(counters)
    assert len(taken) == MAX_VERSIONS + 1
    assert taken[-1] == (MINUTE, "example.com", 1, "buffered", 3, 0)


def test_a_site_is_looked_up_once_when_rows_are_taken() -> None:
    asked: list[str] = []
    counters = Counters()
    counters.count(MINUTE, "buffered", "example.com", 0)
    counters.count(MINUTE + 10, "buffered", "example.com", 0)
    counters.take(None, lambda domain: asked.append(domain))
    assert asked == ["example.com"]

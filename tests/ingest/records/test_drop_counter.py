import pytest
from msgspec.structs import astuple

from ingest.records import drop_counter as module
from ingest.records.drop_counter import (
    COUNTS_PER_RECORD,
    MAX_DOMAIN_LENGTH,
    MAX_DOMAINS,
    MAX_MINUTES,
    MAX_VERSIONS,
    OTHER_DOMAINS,
    DropCounter,
)
from ingest.records.record import MetricCount

MINUTE = 1_700_000_040
"""A multiple of 60."""

BOT, UNKNOWN = "dropped_bot", "dropped_not_found"


def site_id(domain: str) -> int | None:
    return {"example.com": 1}.get(domain)


def take(drops: DropCounter) -> list[MetricCount]:
    """All counts, in the order of their fields."""
    counts: list[MetricCount] = []
    while record := drops.take(site_id):
        counts.extend(record.counts)
    assert len(drops) == 0
    return sorted(counts, key=astuple)


def test_counts_have_what_a_row_needs() -> None:
    drops = DropCounter()
    drops.count(MINUTE, BOT, "example.com", 36)
    drops.count(MINUTE + 59, BOT, "example.com", 36)
    drops.count(MINUTE + 60, UNKNOWN, "unknown.example", 0)
    assert len(drops) == 2
    assert take(drops) == [
        MetricCount(MINUTE, "example.com", 1, BOT, 36, 2),
        MetricCount(MINUTE + 60, "unknown.example", None, UNKNOWN, 0, 1),
    ]


def test_every_part_of_the_key_counts_apart() -> None:
    drops = DropCounter()
    for metric, domain, version in (("a", "x", 1), ("b", "x", 1), ("a", "y", 1), ("a", "x", 2)):
        drops.count(MINUTE, metric, domain, version)
    assert [count.events for count in take(drops)] == [1, 1, 1, 1]


def test_what_was_taken_is_gone() -> None:
    drops = DropCounter()
    drops.count(MINUTE, BOT, "example.com", 0)
    assert len(take(drops)) == 1
    assert drops.take(site_id) is None
    drops.count(MINUTE, BOT, "example.com", 0)
    assert [count.events for count in take(drops)] == [1]


def test_a_record_holds_a_bounded_number_of_counts() -> None:
    drops = DropCounter()
    for number in range(COUNTS_PER_RECORD + 1):
        drops.count(MINUTE, UNKNOWN, f"{number}.example", 0)
    drops.count(MINUTE + 60, UNKNOWN, "0.example", 0)
    first, second = drops.take(site_id), drops.take(site_id)
    assert first is not None
    assert second is not None
    assert (len(first.counts), len(second.counts)) == (COUNTS_PER_RECORD, 2)
    assert drops.take(site_id) is None
    assert len({(count.minute, count.domain) for count in first.counts + second.counts}) == (
        COUNTS_PER_RECORD + 2
    )


def test_what_is_put_back_is_counted_with_what_has_come_since() -> None:
    drops = DropCounter()
    for domain in ("example.com", "x" * (MAX_DOMAIN_LENGTH + 1)):
        drops.count(MINUTE, BOT, domain, 36, 3)
    record = drops.take(site_id)
    assert record is not None
    drops.count(MINUTE + 1, BOT, "example.com", 36)
    drops.count(MINUTE + 60, BOT, "example.com", 36)
    drops.put_back(record)
    assert take(drops) == [
        MetricCount(MINUTE, OTHER_DOMAINS, None, BOT, 36, 3),
        MetricCount(MINUTE, "example.com", 1, BOT, 36, 4),
        MetricCount(MINUTE + 60, "example.com", 1, BOT, 36, 1),
    ]


def test_invented_domains_are_counted_together_beyond_a_limit() -> None:
    drops = DropCounter()
    for number in range(MAX_DOMAINS + 5):
        drops.count(MINUTE, UNKNOWN, f"{number}.example", 0)
    drops.count(MINUTE, UNKNOWN, "0.example", 0)
    # The limit is one for each metric and minute.
    drops.count(MINUTE, BOT, "example.com", 0)
    drops.count(MINUTE + 60, UNKNOWN, "late.example", 0)
    taken = take(drops)
    assert len(taken) == MAX_DOMAINS + 3
    assert MetricCount(MINUTE, OTHER_DOMAINS, None, UNKNOWN, 0, 5) in taken
    assert MetricCount(MINUTE, "0.example", None, UNKNOWN, 0, 2) in taken
    assert MetricCount(MINUTE, "example.com", 1, BOT, 0, 1) in taken
    assert MetricCount(MINUTE + 60, "late.example", None, UNKNOWN, 0, 1) in taken


def test_counts_put_back_stay_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DOMAINS", 2)
    drops = DropCounter()
    for name in ("a", "b", "c"):
        drops.count(MINUTE, UNKNOWN, f"{name}.example", 0)
    record = drops.take(site_id)
    assert record is not None
    for name in ("d", "e", "f"):
        drops.count(MINUTE, UNKNOWN, f"{name}.example", 0)
    drops.put_back(record)
    assert {count.domain: count.events for count in take(drops)} == {
        "d.example": 1,
        "e.example": 1,
        OTHER_DOMAINS: 4,
    }


def test_very_long_domains_are_not_kept() -> None:
    drops = DropCounter()
    drops.count(MINUTE, UNKNOWN, "x" * MAX_DOMAIN_LENGTH, 0)
    drops.count(MINUTE, UNKNOWN, "x" * 1_000_000, 0)
    assert [count.domain for count in take(drops)] == [OTHER_DOMAINS, "x" * MAX_DOMAIN_LENGTH]


def test_other_domains_are_no_site_even_if_any_domain_is_one() -> None:
    drops = DropCounter()
    drops.count(MINUTE, UNKNOWN, "x" * 1000, 0)
    record = drops.take(lambda domain: 5)
    assert record is not None
    assert [count.site_id for count in record.counts] == [None]


def test_invented_versions_are_counted_as_unknown_beyond_a_limit() -> None:
    drops = DropCounter()
    for version in range(1, MAX_VERSIONS + 4):
        drops.count(MINUTE, BOT, "example.com", version)
    taken = take(drops)
    assert len(taken) == MAX_VERSIONS + 1
    assert taken[0] == MetricCount(MINUTE, "example.com", 1, BOT, 0, 3)


def test_a_log_that_takes_nothing_for_days_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", MAX_MINUTES + 5)
    drops = DropCounter()
    for number in range(MAX_MINUTES + 10):
        drops.count(MINUTE + 60 * number, BOT, "example.com", 0)
    latest = MINUTE + 60 * (MAX_MINUTES + 20)
    for number in range(10):
        drops.count(latest, BOT, f"{number}.example", 0)
    assert len(drops) == MAX_MINUTES + 6
    taken = take(drops)
    assert len(taken) == MAX_MINUTES + 6
    assert sum(count.events for count in taken) == MAX_MINUTES + 20
    last = MINUTE + 60 * (MAX_MINUTES - 1)
    assert {count.domain: count.events for count in taken if count.minute == last} == {
        "example.com": 11,
        **{f"{number}.example": 1 for number in range(5)},
        OTHER_DOMAINS: 5,
    }
    # There is room again.
    drops.count(latest, BOT, "new.example", 0)
    assert take(drops) == [MetricCount(latest, "new.example", None, BOT, 0, 1)]


def test_a_minute_that_was_put_back_is_not_the_latest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_MINUTES", 2)
    drops = DropCounter()
    drops.count(MINUTE, BOT, "example.com", 0)
    record = drops.take(site_id)
    assert record is not None
    drops.count(MINUTE + 60, BOT, "example.com", 0)
    drops.put_back(record)
    drops.count(MINUTE + 120, BOT, "example.com", 0)
    assert {count.minute: count.events for count in take(drops)} == {MINUTE: 1, MINUTE + 60: 2}

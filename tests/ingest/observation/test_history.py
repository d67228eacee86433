"""The last hour, on plain numbers."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.verdict import DropReason
from ingest.observation.history import (
    DOMAINS_PER_MINUTE,
    KEYS_PER_MINUTE,
    OTHER_SITES,
    SECONDS,
    History,
)
from ingest.observation.minute_counts import MINUTES
from tests.examples import NOON

BOT = DropReason.BOT
GONE = DropReason.NOT_FOUND


def test_begins_with_silence() -> None:
    history = History(NOON)
    seconds = history.seconds()
    assert seconds.first == NOON - SECONDS + 1
    assert seconds.accepted == seconds.dropped == seconds.refused == [0] * SECONDS
    assert history.sites(10) == ([], 0)
    assert history.verdicts() == {}
    assert history.refusals() == {}


def test_counts_in_the_second_that_it_is() -> None:
    history = History(NOON)
    history.count("a.example", None)
    history.advance(NOON + 1)
    history.count("a.example", None)
    history.count("a.example", BOT)
    history.refuse(400)
    history.advance(NOON + 4)
    seconds = history.seconds(NOON - 1)
    assert seconds.first == NOON - 1
    assert seconds.accepted == [0, 1, 1, 0, 0, 0]
    assert seconds.dropped == [0, 0, 1, 0, 0, 0]
    assert seconds.refused == [0, 0, 1, 0, 0, 0]
    assert history.last(4) == (2, 1, 1)
    assert history.last(3) == (1, 1, 1)
    assert history.last(2) == (0, 0, 0)


@pytest.mark.parametrize(
    "since",
    [
        pytest.param(None, id="all"),
        pytest.param(NOON - SECONDS, id="longer ago"),
        pytest.param(NOON + 1, id="the future"),
        pytest.param(-(10**30), id="nonsense"),
    ],
)
def test_gives_all_when_the_beginning_is_not_of_the_hour(since: int | None) -> None:
    history = History(NOON)
    history.count("a.example", None)
    seconds = history.seconds(since)
    assert (seconds.first, len(seconds.accepted)) == (NOON - SECONDS + 1, SECONDS)
    assert seconds.accepted[-1] == 1


@pytest.mark.parametrize(("since", "length"), [(NOON, 1), (NOON - SECONDS + 1, SECONDS)])
def test_gives_what_is_new(since: int, length: int) -> None:
    history = History(NOON)
    history.count("a.example", None)
    assert history.seconds(since).first == since
    assert history.seconds(since).accepted == [*[0] * (length - 1), 1]


def test_forgets_after_an_hour() -> None:
    history = History(NOON)
    history.count("a.example", None)
    history.refuse(503)
    history.advance(NOON + SECONDS - 1)
    assert sum(history.seconds().accepted) == 1
    history.advance(NOON + SECONDS)
    assert sum(history.seconds().accepted) == 0
    assert history.sites(10) == ([], 0)
    assert history.refusals() == {}


def test_sites_by_reason_and_minute() -> None:
    history = History(NOON)
    history.count("a.example", None)
    history.advance(NOON + 60)
    for _ in range(2):
        history.count("b.example", None)
    history.count("b.example", BOT)
    history.count("b.example", DropReason.INVALID)
    history.count("b.example", BOT)
    history.advance(NOON + 61)
    history.count("a.example", None)
    (first, second), more = history.sites(10)
    assert more == 0
    assert (first.site, first.accepted, first.total) == ("b.example", 2, 5)
    assert list(first.dropped.items()) == [(BOT, 2), (DropReason.INVALID, 1)]
    assert first.per_minute == [0] * (MINUTES - 1) + [2]
    assert (second.site, second.dropped) == ("a.example", {})
    assert second.per_minute == [0] * (MINUTES - 2) + [1, 1]
    assert history.sites(1) == ([first], 1)
    assert history.verdicts() == {
        "a.example": {None: 2},
        "b.example": {None: 2, BOT: 2, DropReason.INVALID: 1},
    }


def test_sites_beyond_the_limit_are_summed() -> None:
    history = History(NOON)
    for number in range(KEYS_PER_MINUTE + 7):
        history.count(f"{number}.example", None)
    history.count("0.example", None)
    counts, _ = history.sites(KEYS_PER_MINUTE + 7)
    assert len(counts) == KEYS_PER_MINUTE + 1
    assert (counts[0].site, counts[0].accepted) == (OTHER_SITES, 7)
    assert (counts[1].site, counts[1].accepted) == ("0.example", 2)


@pytest.mark.parametrize(
    "domain",
    ["example.com", "a-b.example:8080", "example.com/shop", "app", "münchen.example", "d" * 253],
)
def test_unknown_domains_are_counted(domain: str) -> None:
    history = History(NOON)
    history.count_unknown(domain)
    history.advance(NOON + 60)
    history.count_unknown(domain)
    assert history.unknown_domains() == {domain: 2}
    history.advance(NOON + SECONDS)
    assert history.unknown_domains() == {domain: 1}


@pytest.mark.parametrize(
    "domain",
    [
        *("", "-rf", "--host=x", ".hidden", "/etc", "_", "d" * 254, "(unknown)"),
        *("x;reboot", "$(reboot)", "`reboot`", "a b", "a\nb", "a'b", 'a"b', "a&b", "a|b", "a>b"),
        *("<img>", "a\u202eb", "a\u0000b", "a~b", "a*b", "a://b", "www.a", "a\\b", "\ud800"),
    ],
)
def test_what_is_no_plain_domain_has_no_name(domain: str) -> None:
    history = History(NOON)
    history.count_unknown(domain)
    assert history.unknown_domains() == {OTHER_SITES: 1}


def test_names_of_unknown_domains_are_bounded() -> None:
    history = History(NOON)
    for number in range(DOMAINS_PER_MINUTE + 7):
        history.count_unknown(f"{number}.example")
    history.count_unknown("0.example")
    domains = history.unknown_domains()
    assert len(domains) == DOMAINS_PER_MINUTE + 1
    assert (domains[OTHER_SITES], domains["0.example"]) == (7, 2)


def test_refusals_by_status() -> None:
    history = History(NOON)
    for status in (503, 400, 503):
        history.refuse(status)
    history.advance(NOON + 120)
    history.refuse(429)
    assert history.refusals() == {400: 1, 429: 1, 503: 2}
    assert history.refusals(minutes=2) == {429: 1}
    assert history.refusals(minutes=3) == {400: 1, 429: 1, 503: 2}


@pytest.mark.parametrize("back", [1, 59, 60, 4000, NOON])
def test_a_step_of_the_clock_back_loses_nothing(back: int) -> None:
    history = History(NOON)
    history.count("a.example", None)
    history.advance(NOON - back)
    history.count("a.example", None)
    history.advance(NOON - back + 1)
    seconds = history.seconds()
    assert seconds.first == NOON - back + 1 - SECONDS + 1
    assert seconds.accepted[-2:] == [2, 0]
    assert sum(count.accepted for count in history.sites(9)[0]) == 2


def test_a_long_silence_costs_no_more_than_an_hour() -> None:
    history = History(NOON)
    history.count("a.example", None)
    history.advance(NOON + 10**12)
    assert sum(history.seconds().accepted) == 0
    assert history.sites(9) == ([], 0)


STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3), st.integers(0, 400), st.integers(-5, 5000)),
        st.lists(
            st.tuples(
                st.sampled_from(["a.example", "b.example", "c.example"]),
                st.sampled_from([None, BOT, GONE]),
            ),
            max_size=5,
        ),
    ),
    max_size=30,
)


@given(STEPS)
def test_agrees_with_a_plain_list_of_events(
    steps: list[tuple[int, list[tuple[str, DropReason | None]]]],
) -> None:
    """The rings tell what a list of all events with their age would."""
    history = History(NOON)
    now = NOON
    counted: list[tuple[int, int, str, DropReason | None]] = []  # seconds and minutes ago
    for step, events in steps:
        seconds, minutes = max(step, 0), max((now + step) // 60 - now // 60, 0)
        counted = [
            (age + seconds, minutes_ago + minutes, site, reason)
            for age, minutes_ago, site, reason in counted
        ]
        now += step
        history.advance(now)
        for site, reason in events:
            history.count(site, reason)
            counted.append((0, 0, site, reason))
    accepted, dropped = [0] * SECONDS, [0] * SECONDS
    sites: Counter[tuple[str, DropReason | None]] = Counter()
    for age, minutes_ago, site, reason in counted:
        if age < SECONDS:
            (accepted if reason is None else dropped)[-1 - age] += 1
        if minutes_ago < MINUTES:
            sites[site, reason] += 1
    whole = history.seconds()
    assert (whole.accepted, whole.dropped) == (accepted, dropped)
    found, more = history.sites(10)
    assert more == 0
    assert all(one.total >= other.total for one, other in pairwise(found))
    assert sites == Counter(
        {(counts.site, None): counts.accepted for counts in found if counts.accepted}
    ) + Counter({(c.site, reason): n for c in found for reason, n in c.dropped.items()})
    for counts in found:
        assert sum(counts.per_minute) == counts.accepted
        assert len(counts.per_minute) == MINUTES
    assert history.verdicts().keys() == {site for site, _ in sites}

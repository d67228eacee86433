from ingest.model.verdict import DropReason
from ingest.observation.event_summary import EventSummary, summarize
from ingest.observation.recent_events import (
    ACCEPTED,
    DROPS_PER_SITE,
    SITES,
    UNKNOWN_DROPS,
    RecentEvents,
)
from tests.examples import NOON, an_enriched_event, an_event


def everything(summary: EventSummary) -> bool:
    return True


def drop(recent: RecentEvents, site_id: int | None, *, registered: bool = True) -> int:
    number = recent.next_number()
    summary = summarize(number, an_event(), site_id, DropReason.BOT)
    recent.drop(summary, registered=registered)
    return number


def test_numbers_grow_also_over_a_restart() -> None:
    recent = RecentEvents(NOON)
    first, second = recent.accept([an_enriched_event()]), drop(recent, 1)
    later = RecentEvents(NOON + 1)
    assert first < second < later.next_number() < 2**53


def test_events_are_counted() -> None:
    recent = RecentEvents(NOON)
    assert recent.events == 0
    recent.accept([an_enriched_event()])
    drop(recent, 1)
    assert recent.events == 2


def test_drops_are_shown_newest_first_whatever_their_site() -> None:
    recent = RecentEvents(NOON)
    numbers = [drop(recent, 1), drop(recent, 2), drop(recent, None), drop(recent, 1)]
    assert [summary.number for summary in recent.drops(everything)] == numbers[::-1]
    assert [summary.number for summary in recent.drops(lambda summary: summary.site_id == 1)] == [
        numbers[3],
        numbers[0],
    ]


def test_a_busy_site_does_not_push_out_another() -> None:
    recent = RecentEvents(NOON)
    quiet = drop(recent, 2)
    busy = [drop(recent, 1) for _ in range(DROPS_PER_SITE + 50)]
    kept = [summary.number for summary in recent.drops(everything)]
    assert kept == [*reversed(busy[-DROPS_PER_SITE:]), quiet]


def test_domains_that_anybody_may_make_up_share_a_ring() -> None:
    recent = RecentEvents(NOON)
    real = drop(recent, 1)
    for number in range(UNKNOWN_DROPS + SITES):
        drop(recent, 1000 + number if number % 2 else None, registered=False)
    kept = recent.drops(everything)
    assert len(kept) == UNKNOWN_DROPS + 1
    assert kept[-1].number == real


def test_the_site_that_has_dropped_nothing_for_longest_is_forgotten() -> None:
    recent = RecentEvents(NOON)
    for site_id in range(1, SITES + 1):
        drop(recent, site_id)
    drop(recent, 1)
    drop(recent, SITES + 1)
    sites = {summary.site_id for summary in recent.drops(everything)}
    assert sites == {1, *range(3, SITES + 2)}


def test_reasons_are_counted_also_of_what_is_forgotten() -> None:
    recent = RecentEvents(NOON)
    for _ in range(DROPS_PER_SITE + 1):
        drop(recent, 1)
    assert recent.dropped == {DropReason.BOT: DROPS_PER_SITE + 1}


def test_the_last_accepted_events_are_kept() -> None:
    recent = RecentEvents(NOON)
    for number in range(ACCEPTED + 10):
        recent.accept([an_enriched_event(pathname=f"/{number}")])
    kept = recent.accepted(everything)
    assert len(kept) == ACCEPTED
    assert kept[0].pathname == f"/{ACCEPTED + 9}"
    assert recent.accepted(lambda summary: summary.pathname == "/9") == []

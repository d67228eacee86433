import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.observation.broadcast import (
    FOLLOWERS,
    TAKEN,
    WAITING,
    Broadcast,
    Follower,
    Missed,
    TooManyFollowersError,
)
from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.event import Attribution, Event
from ingest.model.verdict import DropReason
from ingest.observation.event_filter import EventFilter
from ingest.observation.event_summary import EventSummary
from ingest.pipeline.reference import Reference
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.shields import Shields
from ingest.sites.site import Site, SiteRegistry
from tests.examples import NOON, an_enriched_event, an_event

ALL = EventFilter()
DROPS = EventFilter(accepted=False)


@pytest.fixture
def broadcast() -> Broadcast:
    site = Site(1, "example.com", shields=Shields(pages=("/admin/**",)))
    salts = Salts(Salt(bytes(16), 0))
    reference = Reference(SiteRegistry([site]), NoGeoDatabase(), salts, RateLimiter())
    return Broadcast(reference, NOON)


def accept(broadcast: Broadcast, *pages: object) -> None:
    for page in pages:
        broadcast.accepted([an_enriched_event(pathname=f"/{page}")])


async def seen(follower: Follower) -> list[str]:
    """What waits for a follower, in a few characters each."""
    return [
        f"missed {one.events}" if isinstance(one, Missed) else one.pathname
        for one in await follower.next()
    ]


def test_a_drop_is_kept_with_its_rule(broadcast: Broadcast) -> None:
    event = an_event(pathname="/admin/x")
    broadcast.dropped(event, DropReason.SITE_PAGE_BLOCKLIST, "/admin/**")
    (kept,) = broadcast.recent.drops(lambda _: True)
    assert (kept.site_id, kept.rule, kept.pathname) == (1, "/admin/**", "/admin/x")


def test_a_drop_of_an_enriched_event(broadcast: Broadcast) -> None:
    broadcast.dropped(an_enriched_event(), DropReason.NO_SESSION_FOR_ENGAGEMENT, "")
    (kept,) = broadcast.recent.drops(lambda _: True)
    assert (kept.browser, kept.reason) == ("Chrome", DropReason.NO_SESSION_FOR_ENGAGEMENT)


def test_what_cannot_be_observed_is_dropped_all_the_same(
    broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(number: int, event: Event, *_: object) -> None:
        raise ZeroDivisionError(event.request.client_ip)

    monkeypatch.setattr("actors.observation.broadcast.summarize", fail)
    broadcast.dropped(an_event(), DropReason.BOT, "")
    logged = capsys.readouterr().out
    assert "ZeroDivisionError" in logged
    assert "203.0.113.9" not in logged


@pytest.mark.parametrize(("older", "source"), [(False, "ChatGPT"), (True, "chatgpt.com")])
async def test_sources_have_the_names_of_the_store(older: bool, source: str) -> None:
    reference = Reference(
        SiteRegistry(),
        NoGeoDatabase(),
        Salts(Salt(bytes(16), 0)),
        RateLimiter(),
        older_names=lambda: older,
    )
    broadcast = Broadcast(reference, NOON)
    event = an_enriched_event(
        attribution=Attribution(referrer="chatgpt.com", referrer_source="ChatGPT")
    )
    broadcast.accepted([event])
    with broadcast.follow(ALL, replay=1) as follower:
        broadcast.accepted([event])
        shown = await follower.next()
    assert [one.referrer_source for one in shown if isinstance(one, EventSummary)] == [source] * 2


async def test_followers_see_what_they_have_chosen(broadcast: Broadcast) -> None:
    with broadcast.follow(ALL) as everything, broadcast.follow(DROPS) as drops:
        accept(broadcast, "a")
        broadcast.dropped(an_event(pathname="/b"), DropReason.BOT, "")
        assert await seen(everything) == ["/a", "/b"]
        assert await seen(drops) == ["/b"]
        assert broadcast.followers == 2
    assert broadcast.followers == 0
    accept(broadcast, "c")


async def test_a_follower_waits(broadcast: Broadcast, nursery: trio.Nursery) -> None:
    found: list[str] = []

    async def follow() -> None:
        with broadcast.follow(ALL) as follower:
            found.extend(await seen(follower))

    nursery.start_soon(follow)
    await wait_all_tasks_blocked()
    assert found == []
    accept(broadcast, 1)
    await wait_all_tasks_blocked()
    assert found == ["/1"]


async def test_a_slow_follower_is_told_what_it_missed_where_it_is_missing(
    broadcast: Broadcast,
) -> None:
    with broadcast.follow(ALL) as follower:
        accept(broadcast, *range(WAITING + 3))
        found: list[str] = []
        while len(found) < WAITING - 1:
            found += await seen(follower)
        accept(broadcast, "next")
        while "/next" not in found:
            found += await seen(follower)
    assert found == [*(f"/{number}" for number in range(WAITING)), "missed 3", "/next"]


async def test_what_was_missed_is_told_though_nothing_follows(broadcast: Broadcast) -> None:
    with broadcast.follow(ALL) as follower:
        accept(broadcast, *range(WAITING + 3))
        found: list[str] = []
        while "missed 3" not in found:
            found += await seen(follower)
        assert len(found) == WAITING + 1


async def test_a_follower_takes_so_many_at_a_time(broadcast: Broadcast) -> None:
    with broadcast.follow(ALL) as follower:
        accept(broadcast, *range(TAKEN + 1))
        assert len(await seen(follower)) == TAKEN
        assert len(await seen(follower)) == 1


async def test_the_past_comes_first(broadcast: Broadcast) -> None:
    accept(broadcast, 1, 2)
    broadcast.dropped(an_event(pathname="/3"), DropReason.BOT, "")
    accept(broadcast, 4)
    with broadcast.follow(ALL) as follower, broadcast.follow(ALL, replay=2) as replayed:
        accept(broadcast, 5)
        assert await seen(follower) == ["/5"]
        assert await seen(replayed) == ["/3", "/4", "/5"]


async def test_a_follower_goes_on_where_it_was(broadcast: Broadcast) -> None:
    accept(broadcast, 1, 2, 3)
    second = broadcast.recent.accepted(lambda one: one.pathname == "/2")[0].number
    with broadcast.follow(ALL, after=second) as follower:
        assert await seen(follower) == ["/3"]
    with broadcast.follow(ALL, after=0) as follower:
        assert await seen(follower) == ["/1", "/2", "/3"]
    accept(broadcast, *range(WAITING))
    for _ in range(10):
        broadcast.dropped(an_event(), DropReason.BOT, "")
    with broadcast.follow(ALL, after=0) as follower:
        found: list[EventSummary | Missed] = []
        while len(found) < WAITING:
            found += await follower.next()
        assert not any(isinstance(one, Missed) for one in found)


def test_followers_are_bounded(broadcast: Broadcast) -> None:
    with pytest.raises(TooManyFollowersError):
        _follow(broadcast, FOLLOWERS + 1)
    _follow(broadcast, FOLLOWERS)
    assert broadcast.followers == 0


def _follow(broadcast: Broadcast, number: int) -> None:
    if number:
        with broadcast.follow(ALL):
            _follow(broadcast, number - 1)


async def test_the_end_lets_what_waits_be_seen(
    autojump_clock: MockClock, broadcast: Broadcast
) -> None:
    with broadcast.follow(ALL) as busy, broadcast.follow(DROPS) as idle:
        accept(broadcast, 1)
        broadcast.close()
        assert await seen(busy) == ["/1"]
        with trio.fail_after(1):
            assert await seen(busy) == await seen(idle) == []
        accept(broadcast, 2)
    with pytest.raises(TooManyFollowersError):
        _follow(broadcast, 1)
    assert math.isinf(trio.current_effective_deadline())

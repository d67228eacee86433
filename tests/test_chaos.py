"""The pure parts of the fault suite: what it sends, what it would notice."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import pytest

from tests.chaos.audit import CHECKS, Findings, audit
from tests.chaos.events import Figures, Outcome, Sent, StoredEvent, StoredSession
from tests.chaos.plan import SERVER_KILLS, STORE_OUTAGES, Fault, full_plan, short_plan
from tests.chaos.stored import letters_of_rows, set_aside
from tests.chaos.traffic import ENGAGEMENT, IMPRESSION, PAGEVIEW, SIGNUP, parse_uid, uid_of, visit

START = 1_700_000_000


class World:
    """What three visitors have sent and what is stored of it: all as it should be."""

    def __init__(self) -> None:
        self.sent: dict[str, Sent] = {}
        self.events: list[StoredEvent] = []
        self.sessions: list[StoredSession] = []
        self.set_aside: set[str] = set()
        self.visitor(
            1,
            ((PAGEVIEW, "/"), (ENGAGEMENT, "/"), (PAGEVIEW, "/a")),
            Figures(2, 2, START, 2, 0, "/", "/a"),
        )
        self.visitor(2, ((PAGEVIEW, "/b"),), Figures(1, 1, START, 0, 1, "/b", "/b"))
        self.visitor(3, ((IMPRESSION, "/c"), (SIGNUP, "/c")), Figures(2, 0, START, 1, 0, "", ""))

    def visitor(self, number: int, events: tuple[tuple[str, str], ...], figures: Figures) -> None:
        for sequence, (name, page) in enumerate(events):
            uid = uid_of(number, sequence)
            self.sent[uid] = Sent(uid, number, sequence, name, page, Outcome.ACKNOWLEDGED, 202)
            self.events.append(StoredEvent(uid, name, page, 100 + number, START + sequence))
        sums = (figures.events, figures.pageviews, figures.duration, figures.is_bounce)
        self.sessions.append(StoredSession(100 + number, 1, 1, sums, figures))

    def answer(self, uid: str, outcome: Outcome, status: int = 202) -> None:
        self.sent[uid] = replace(self.sent[uid], outcome=outcome, status=status)

    def remove(self, uid: str) -> None:
        self.events = [row for row in self.events if row.uid != uid]

    def change(self, uid: str, **fields: object) -> None:
        self.events = [
            replace(row, **fields) if row.uid == uid else row  # type: ignore[arg-type]
            for row in self.events
        ]

    def audit(self) -> Findings:
        return audit(self.sent.values(), self.events, self.sessions, self.set_aside)


LAST = uid_of(1, 2)
ENGAGED = uid_of(1, 1)


def test_all_is_well() -> None:
    findings = World().audit()
    assert findings.passed, findings.violations
    assert (findings.stored, findings.sessions, findings.visitors) == (6, 3, 3)
    assert findings.outcomes == {Outcome.ACKNOWLEDGED: 6}


def lose(world: World) -> None:
    world.remove(ENGAGED)


def double(world: World) -> None:
    world.events.append(world.events[1])


def store_refused(world: World) -> None:
    world.answer(ENGAGED, Outcome.REFUSED, 503)


def store_dropped(world: World) -> None:
    world.answer(ENGAGED, Outcome.DROPPED)


def keep_letter(world: World) -> None:
    world.set_aside.add(ENGAGED)


def alter(world: World) -> None:
    world.change(ENGAGED, pathname="/elsewhere")


def invent(world: World) -> None:
    del world.sent[ENGAGED]


def drop(world: World) -> None:
    world.answer(ENGAGED, Outcome.DROPPED)
    world.remove(ENGAGED)


def split(world: World) -> None:
    world.change(ENGAGED, session_id=102)


def leave_uncollapsed(world: World) -> None:
    world.sessions[0] = replace(world.sessions[0], signs=2, rows=2)


def forget_session(world: World) -> None:
    del world.sessions[0]


def invent_session(world: World) -> None:
    world.sessions.append(replace(world.sessions[0], session_id=7))


def unbalance(world: World) -> None:
    world.sessions[0] = replace(world.sessions[0], sums=(3, 2, 2, 0))


def miscount(**fields: object) -> Callable[[World], None]:
    def change(world: World) -> None:
        figures = replace(world.sessions[0].figures, **fields)  # type: ignore[arg-type]
        world.sessions[0] = replace(world.sessions[0], figures=figures)

    return change


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        pytest.param(lose, "lost", id="lost"),
        pytest.param(double, "doubled", id="doubled"),
        pytest.param(store_refused, "refused but stored", id="refused"),
        pytest.param(store_dropped, "dropped but stored", id="dropped"),
        pytest.param(keep_letter, "set aside and stored", id="set aside"),
        pytest.param(alter, "altered", id="altered"),
        pytest.param(invent, "of no client", id="invented"),
        pytest.param(drop, "dropped without reason", id="dropped within a visit"),
        pytest.param(split, "visitor split", id="split"),
        pytest.param(leave_uncollapsed, "session wrong", id="two rows"),
        pytest.param(forget_session, "session wrong", id="no row"),
        pytest.param(invent_session, "session wrong", id="no event"),
        pytest.param(unbalance, "session wrong", id="sums"),
        pytest.param(miscount(events=3), "session wrong", id="events"),
        pytest.param(miscount(pageviews=1), "session wrong", id="pageviews"),
        pytest.param(miscount(start=START + 1), "session wrong", id="start"),
        pytest.param(miscount(duration=1), "session wrong", id="duration"),
        pytest.param(miscount(is_bounce=1), "session wrong", id="bounce"),
        pytest.param(miscount(entry_page="/a"), "session wrong", id="entry page"),
        pytest.param(miscount(exit_page="/"), "session wrong", id="exit page"),
    ],
)
def test_notices(spoil: Callable[[World], None], check: str) -> None:
    world = World()
    spoil(world)
    violations = world.audit().violations
    assert violations[check]
    others = {kind for kind, cases in violations.items() if cases} - {check}
    # A visitor with two visits has one that nobody opened.
    assert others <= ({"session wrong"} if check == "visitor split" else set())
    assert violations.keys() == set(CHECKS)


def never_answered(world: World) -> None:
    world.answer(ENGAGED, Outcome.UNKNOWN, 0)


def refused(world: World) -> None:
    world.answer(ENGAGED, Outcome.REFUSED, 503)
    world.remove(ENGAGED)


def never_answered_nor_stored(world: World) -> None:
    world.answer(ENGAGED, Outcome.UNKNOWN, 0)
    world.remove(ENGAGED)


def kept_as_letter(world: World) -> None:
    world.answer(ENGAGED, Outcome.DROPPED)
    world.set_aside.add(ENGAGED)
    world.remove(ENGAGED)


def engagement_comes_first(world: World) -> None:
    uid = uid_of(4, 0)
    world.sent[uid] = Sent(uid, 4, 0, ENGAGEMENT, "/", Outcome.DROPPED, 202)


def engagement_is_dropped_after_its_answer(world: World) -> None:
    uid = uid_of(4, 0)
    world.sent[uid] = Sent(uid, 4, 0, ENGAGEMENT, "/", Outcome.ACKNOWLEDGED, 202)


@pytest.mark.parametrize(
    "change",
    [
        never_answered,
        never_answered_nor_stored,
        refused,
        kept_as_letter,
        engagement_comes_first,
        engagement_is_dropped_after_its_answer,
    ],
)
def test_allows(change: Callable[[World], None]) -> None:
    world = World()
    change(world)
    findings = world.audit()
    assert findings.passed, findings.violations


def test_unknown_ones_are_counted() -> None:
    world = World()
    never_answered(world)
    assert world.audit().unknown_stored == 1


def test_later_drops_are_counted() -> None:
    world = World()
    engagement_is_dropped_after_its_answer(world)
    assert world.audit().dropped_later == 1


def test_the_full_plan_is_hard_enough() -> None:
    plan = full_plan("chdb", 1) + full_plan("clickhouse", 1)
    assert sum(SERVER_KILLS.get(fault, 0) for fault in plan) >= 50
    assert sum(fault in STORE_OUTAGES for fault in plan) >= 20
    assert set(plan) == set(Fault)
    assert plan == full_plan("chdb", 1) + full_plan("clickhouse", 1)
    assert plan != full_plan("chdb", 2) + full_plan("clickhouse", 2)


@pytest.mark.parametrize("store", ["chdb", "clickhouse"])
def test_plans_fit_their_store(store: str) -> None:
    faults = {*full_plan(store, 1), *short_plan(store, 1)}
    assert bool(faults & STORE_OUTAGES) == (store == "clickhouse")


def test_finds_events_in_dead_letters(tmp_path: Path) -> None:
    assert set_aside(tmp_path) == set()
    letters = tmp_path / "dead-letters"
    letters.mkdir()
    (letters / "1.json").write_text(json.dumps({"kind": "event", "content": [LAST]}))
    (letters / "2.json").write_text(json.dumps({"kind": "rows", "content": [["a", ENGAGED]]}))
    (letters / "3.tmp").write_text(uid_of(9, 9))
    assert set_aside(tmp_path) == {LAST, ENGAGED}
    assert letters_of_rows(tmp_path) == ["2"]


def test_traffic_follows_its_seed() -> None:
    def some(seed: int) -> list[tuple[str, bytes, dict[str, str]]]:
        visits = chain.from_iterable(visit(seed, number) for number in range(20))
        return [(event.uid, event.body, event.headers) for event in visits]

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_traffic_is_mixed() -> None:
    events = list(chain.from_iterable(visit(1, number) for number in range(300)))
    shares = {
        name: sum(event.name == name for event in events) / len(events)
        for name in (PAGEVIEW, ENGAGEMENT, SIGNUP, IMPRESSION)
    }
    assert shares[PAGEVIEW] == pytest.approx(0.7, abs=0.02)
    assert shares[ENGAGEMENT] == pytest.approx(0.2, abs=0.02)
    assert shares[SIGNUP] + shares[IMPRESSION] == pytest.approx(0.1, abs=0.02)
    assert len({event.headers["x-forwarded-for"] for event in events}) == 300
    assert len({event.uid for event in events}) == len(events)


def test_uids_tell_visitor_and_sequence() -> None:
    event = next(islice(visit(1, 12), 3, None))
    assert parse_uid(event.uid) == (12, 3)
    with pytest.raises(ValueError, match="not an event"):
        parse_uid("")

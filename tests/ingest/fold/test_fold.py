from typing import Any

import pytest

from ingest.fold import fold as module
from ingest.fold import import_sessions
from ingest.fold.fold import PAST_SECONDS, Fold
from ingest.fold.import_sessions import ImportFigures
from ingest.model.event import EnrichedEvent, Source, Visitor
from ingest.model.verdict import ACCEPTED, NO_SESSION, SET_ASIDE
from ingest.records.record import Description, DropCounts, EndOfSource, MetricCount
from ingest.rows.layout import SESSION_ID, EventRows
from ingest.sessions import live_sessions
from ingest.sessions.salts import LIFETIME
from tests.examples import NOON, an_enriched_event

DESCRIPTION = Description(session_seconds=1800, margin_seconds=60)


class Folded:
    """A fold, and short ways to use it."""

    def __init__(self) -> None:
        self.fold = Fold(DESCRIPTION)
        self.nonces = iter(range(1, 1_000_000))

    def take(self, log_time: int, record: Any) -> Any:
        self.fold.begin_run(log_time)
        return self.fold.take(record)

    def visit(self, log_time: int, **changes: Any) -> int:
        """Take an event; give the id of its session."""
        event = an_enriched_event(
            **({"timestamp": log_time, "received": log_time, "nonce": next(self.nonces)} | changes)
        )
        outcome = self.take(log_time, event)
        assert isinstance(outcome, EventRows)
        session_id = outcome.event[4]
        assert isinstance(session_id, int)
        return session_id


def test_a_session_has_the_nonce_of_its_first_event() -> None:
    folded = Folded()
    assert folded.visit(NOON, nonce=42) == 42
    assert folded.visit(NOON + 10, nonce=43) == 42


@pytest.mark.parametrize(("silence", "goes_on"), [(1800, True), (1801, False)])
def test_whether_a_session_goes_on_is_decided_by_its_events_times(
    silence: int, goes_on: bool
) -> None:
    folded = Folded()
    first = folded.visit(NOON)
    # It reached the log without delay, and yet late by its own time.
    again = folded.visit(NOON + 100, timestamp=NOON + silence)
    assert (again == first) is goes_on


@pytest.mark.parametrize(("later", "open_sessions"), [(1860, 1), (1861, 0)])
def test_forgets_a_session_by_the_log_s_time_since_it_was_touched(
    later: int, open_sessions: int
) -> None:
    folded = Folded()
    folded.visit(NOON, timestamp=NOON + 5000)
    folded.fold.begin_run(NOON + later)
    assert len(folded.fold.sessions) == open_sessions


def test_a_clock_that_ran_ahead_keeps_no_session_open_for_longer() -> None:
    folded = Folded()
    folded.visit(NOON, visitor=Visitor(1, None))
    ahead = NOON + 1000
    folded.visit(ahead, visitor=Visitor(2, None))
    folded.visit(NOON + 5, visitor=Visitor(3, None))
    # As if touched at NOON + 5, when the clock was right again.
    folded.fold.begin_run(NOON + 5 + 1860)
    assert [session.user_id for session in folded.fold.sessions] == [2, 3]
    folded.fold.begin_run(NOON + 5 + 1861)
    assert len(folded.fold.sessions) == 0


def test_an_engagement_event_needs_a_session() -> None:
    folded = Folded()
    engagement = an_enriched_event(name="engagement")
    assert folded.take(NOON, engagement) == NO_SESSION
    folded.visit(NOON)
    outcome = folded.take(NOON + 1, engagement)
    assert isinstance(outcome, EventRows)
    assert outcome.sessions == ()


@pytest.mark.parametrize(("late", "past"), [(PAST_SECONDS, False), (PAST_SECONDS + 1, True)])
def test_sessions_of_the_past_are_kept_apart(late: int, past: bool) -> None:
    folded = Folded()
    live = folded.visit(NOON)
    other = folded.visit(NOON + late - 60, timestamp=NOON - 60)
    assert (other == live) is not past
    assert len(folded.fold.past) == past


def test_sessions_of_the_past_are_bounded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAST_SESSIONS", 2)
    folded = Folded()
    for visitor in (1, 2, 1, 3):
        folded.visit(NOON, timestamp=NOON - 9000, visitor=Visitor(visitor, None))
    assert [session.user_id for session in folded.fold.past] == [1, 3]


def test_takes_a_source_s_records_once() -> None:
    folded = Folded()
    letter = Source("letter:a", 1)
    folded.visit(NOON, source=letter)
    assert folded.take(NOON + 1, an_enriched_event(source=letter)) is None
    assert dict(folded.fold.take_counters()) == {(NOON, "example.com", 1, ACCEPTED.metric, 0): 1}


def test_takes_a_source_s_drop_counts_once() -> None:
    folded = Folded()
    count = MetricCount(NOON, "example.com", 1, "dropped_spam_referrer", 0, 7)
    for number in (4, 4, 3, 5):
        folded.take(NOON, DropCounts((count,), Source("front:a", number)))
    assert dict(folded.fold.take_counters()) == {
        (NOON, "example.com", 1, "dropped_spam_referrer", 0): 14
    }


def test_what_has_become_a_letter_counts_as_taken() -> None:
    folded = Folded()
    record = an_enriched_event(source=Source("letter:a", 1))
    folded.fold.begin_run(NOON)
    folded.fold.pass_over(record)
    assert folded.fold.take(record) is None
    assert dict(folded.fold.take_counters()) == {(NOON, "example.com", 1, SET_ASIDE.metric, 0): 1}


def test_what_has_become_a_letter_is_counted_if_it_is_an_event() -> None:
    folded = Folded()
    folded.fold.pass_over(an_enriched_event())
    folded.fold.pass_over(EndOfSource("import:a"))
    assert dict(folded.fold.take_counters()) == {(NOON, "example.com", 1, SET_ASIDE.metric, 0): 1}


def test_an_event_that_raises_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    folded = Folded()
    before = folded.visit(NOON)
    folded.fold.take_counters()

    def fail(*arguments: object) -> EventRows:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(module, "rows_of", fail)
        with pytest.raises(RuntimeError):
            folded.take(NOON + 1, an_enriched_event(source=Source("letter:a", 1)))
    assert folded.fold.take_counters() == []
    (session,) = folded.fold.sessions
    assert (session.session_id, session.events) == (before, 1)
    assert isinstance(
        folded.take(NOON + 2, an_enriched_event(source=Source("letter:a", 1))), EventRows
    )


def test_counts_by_the_minute_in_which_an_event_was_received() -> None:
    folded = Folded()
    for second in (0, 59, 60):
        folded.visit(NOON + second, received=NOON + second, tracker_version=second // 59)
    folded.take(NOON + 70, an_enriched_event(name="engagement", visitor=Visitor(9, None)))
    drops = MetricCount(NOON, "elsewhere.example", None, "dropped_not_found", 0, 7)
    folded.take(NOON + 70, DropCounts((drops, drops)))
    assert dict(folded.fold.take_counters()) == {
        (NOON, "example.com", 1, "buffered", 0): 1,
        (NOON, "example.com", 1, "buffered", 1): 1,
        (NOON + 60, "example.com", 1, "buffered", 1): 1,
        (NOON, "example.com", 1, "dropped_no_session_for_engagement", 0): 1,
        (NOON, "elsewhere.example", None, "dropped_not_found", 0): 14,
    }
    assert folded.fold.take_counters() == []


def test_a_description_holds_for_what_follows() -> None:
    folded = Folded()
    first = folded.visit(NOON)
    folded.take(NOON + 1, Description(session_seconds=60, margin_seconds=10))
    assert folded.visit(NOON + 61) != first
    folded.fold.begin_run(NOON + 61 + 71)
    assert len(folded.fold.sessions) == 0
    assert folded.fold.description.session_seconds == 60


@pytest.mark.parametrize("runs", [1, 2])
def test_a_description_holds_at_once_wherever_a_run_ends(runs: int) -> None:
    folded = Folded()
    first = folded.visit(NOON)
    folded.take(NOON + 100, Description(session_seconds=50, margin_seconds=5))
    if runs == 2:
        folded.fold.begin_run(NOON + 100)
    late = an_enriched_event(timestamp=NOON + 20, nonce=77)
    outcome = folded.fold.take(late)
    assert isinstance(outcome, EventRows)
    assert outcome.event[4] == 77 != first


def test_the_end_of_a_source_is_no_event() -> None:
    folded = Folded()
    folded.visit(NOON, source=Source("import:a", 3))
    assert folded.take(NOON, EndOfSource("import:a")) is None


def of_import(number: int, which: str = "import:a", **changes: Any) -> EnrichedEvent:
    return an_enriched_event(
        **({"source": Source(which, number), "nonce": number, "timestamp": NOON - 9000} | changes)
    )


def session_of(outcome: object) -> int:
    assert isinstance(outcome, EventRows)
    session_id = outcome.event[4]
    assert isinstance(session_id, int)
    return session_id


def test_each_import_has_sessions_of_its_own() -> None:
    folded = Folded()
    live = folded.visit(NOON)
    folded.visit(NOON, timestamp=NOON - 9000, nonce=99)
    # Even an event of now does not meet the live ones.
    outcomes = [
        folded.take(NOON, of_import(1, timestamp=NOON)),
        folded.take(NOON, of_import(2, timestamp=NOON + 9)),
        folded.take(NOON, of_import(3, "import:b", timestamp=NOON)),
    ]
    assert list(map(session_of, outcomes)) == [1, 1, 3]
    assert folded.visit(NOON) == live
    assert (len(folded.fold.sessions), len(folded.fold.past)) == (1, 1)
    assert folded.fold.imports.figures("import:a") == (1, 0)
    assert folded.fold.imports.figures("import:c") == (0, 0)


def test_events_of_an_import_are_counted_for_the_import_only() -> None:
    folded = Folded()
    engagement = of_import(1, name="engagement")
    assert folded.take(NOON, engagement) is None
    folded.take(NOON, of_import(2))
    assert folded.take(NOON, of_import(2)) is None
    folded.fold.pass_over(of_import(3))
    assert folded.take(NOON, of_import(3)) is None
    assert folded.fold.imports.figures("import:a") == (1, 1)
    assert folded.fold.take_counters() == []


def test_an_import_s_sessions_end_by_its_events_time() -> None:
    folded = Folded()
    times = (0, 1800, 3601, 3601 - 1801)
    found = [
        session_of(folded.take(NOON, of_import(number, timestamp=NOON - 9000 + seconds)))
        for number, seconds in enumerate(times)
    ]
    assert found == [0, 0, 2, 2]


@pytest.mark.parametrize(("back", "kept"), [(3600, 2), (3601, 1)])
def test_sessions_far_ahead_of_an_import_s_line_are_forgotten(back: int, kept: int) -> None:
    folded = Folded()
    folded.take(NOON, of_import(1, visitor=Visitor(8, None)))
    folded.take(NOON, of_import(2, timestamp=NOON - 9000 - back))
    ((_, sessions),) = folded.fold.imports
    assert len(sessions.open) == kept


def test_an_import_s_sessions_are_bounded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_sessions, "SESSIONS", 2)
    folded = Folded()
    for number, visitor in enumerate((1, 2, 1, 3)):
        folded.take(NOON, of_import(number, visitor=Visitor(visitor, None)))
    ((_, sessions),) = folded.fold.imports
    assert [session.user_id for session in sessions.open] == [1, 3]


def test_an_import_is_forgotten_at_its_end_or_when_its_salt_is_gone() -> None:
    folded = Folded()
    folded.take(NOON, of_import(1))
    folded.take(NOON + 60, of_import(1, "import:b"))
    folded.take(NOON + 60, EndOfSource("import:b"))
    assert [name for name, _ in folded.fold.imports] == ["import:a"]
    folded.fold.begin_run(NOON + LIFETIME)
    assert [name for name, _ in folded.fold.imports] == ["import:a"]
    folded.fold.begin_run(NOON + LIFETIME + 1)
    assert list(folded.fold.imports) == []
    # Its lines are not taken twice however late it goes on.
    folded.fold.begin_run(NOON + 100 * LIFETIME)
    assert folded.fold.take(of_import(1)) is None


@pytest.mark.parametrize(("number", "kept"), [(0, []), (1, ["import:a"]), (2, []), (3, [])])
def test_the_end_of_an_import_that_has_gone_on_since_is_left_out(
    number: int, kept: list[str]
) -> None:
    folded = Folded()
    folded.take(NOON, of_import(1))
    folded.take(NOON, of_import(2))
    folded.take(NOON, EndOfSource("import:a", number))
    assert [name for name, _ in folded.fold.imports] == kept


def test_after_the_end_of_an_import_its_lines_are_not_taken_again() -> None:
    folded = Folded()
    folded.take(NOON, of_import(1))
    folded.take(NOON, EndOfSource("import:a", 1))
    assert folded.take(NOON, of_import(1)) is None
    # The file has grown.
    assert session_of(folded.take(NOON, of_import(2))) == 2


def test_many_sessions_of_an_import_are_freed_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_sessions, "SLICE", 3)
    folded = Folded()
    for number in range(10):
        folded.take(NOON, of_import(number, visitor=Visitor(number, None)))
    folded.fold.take(EndOfSource("import:a"))
    assert list(folded.fold.imports) == []
    assert len(list(folded.fold.begin_in_slices(NOON))) == 3
    assert list(folded.fold.begin_in_slices(NOON)) == []


def test_a_few_of_an_import_s_sessions_end_with_each_event() -> None:
    folded = Folded()
    for number in range(1, 41):
        folded.take(NOON, of_import(number, visitor=Visitor(number, None)))
    ((_, sessions),) = folded.fold.imports
    for number, left in ((41, 24), (42, 8), (43, 1), (44, 1)):
        event = of_import(number, timestamp=NOON - 9000 + 1801, visitor=Visitor(40, None))
        assert session_of(folded.take(NOON, event)) == 41
        assert len(sessions.open) == left


def test_an_event_of_an_import_that_raises_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A replay passes over it at once, and must have the same sessions."""
    tried, passed = Folded(), Folded()
    for folded in (tried, passed):
        for number in range(1, 41):
            folded.take(NOON, of_import(number, visitor=Visitor(number, None)))
    ((_, sessions),) = tried.fold.imports
    before = list(sessions.open)
    late = of_import(41, timestamp=NOON - 9000 + 1801, visitor=Visitor(41, None))

    def fail(*arguments: object) -> EventRows:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(import_sessions, "rows_of", fail)
        with pytest.raises(RuntimeError):
            tried.take(NOON, late)
    assert list(sessions.open) == before
    for folded in (tried, passed):
        folded.fold.pass_over(late)
    assert [list(its.open) for _, its in tried.fold.imports] == [
        list(its.open) for _, its in passed.fold.imports
    ]


def test_other_rules_apply_to_imports_too() -> None:
    folded = Folded()
    folded.take(NOON, of_import(1))
    folded.take(NOON, Description(session_seconds=60))
    assert session_of(folded.take(NOON, of_import(2, timestamp=NOON - 9000 + 61))) == 2
    folded.fold.begin_anew()
    assert session_of(folded.take(NOON, of_import(3, timestamp=NOON - 9000 + 61))) == 3
    assert folded.fold.imports.figures("import:a") == (3, 0)


@pytest.mark.parametrize(
    ("total", "seen", "now", "then"),
    [
        ((7, 1), (5, 0), (6, 2), (8, 3)),
        ((7, 1), (5, 1), (0, 0), (7, 1)),  # the fold has forgotten it
        ((7, 1), (5, 1), (2, 0), (9, 1)),  # and it has begun anew
    ],
)
def test_totals_of_figures_that_may_begin_anew(
    total: tuple[int, int], seen: tuple[int, int], now: tuple[int, int], then: tuple[int, int]
) -> None:
    advanced = ImportFigures(*total).advanced(ImportFigures(*seen), ImportFigures(*now))
    assert advanced == then


def test_sessions_begin_anew_when_records_are_missing_and_sources_stay() -> None:
    folded = Folded()
    first = folded.visit(NOON, source=Source("letter:a", 1))
    folded.visit(NOON, timestamp=NOON - 9000)
    folded.fold.begin_anew()
    assert folded.visit(NOON) != first
    assert len(folded.fold.past) == 0
    assert folded.fold.sources.has_taken(Source("letter:a", 1))


def test_a_change_of_the_visitor_s_id_does_not_end_a_session() -> None:
    folded = Folded()
    first = folded.visit(NOON, visitor=Visitor(1, None))
    again = folded.visit(NOON + 10, visitor=Visitor(2, 1))
    assert again == first
    assert isinstance(first, int)


def test_rows_tell_of_the_session() -> None:
    folded = Folded()
    folded.fold.begin_run(NOON)
    event: EnrichedEvent = an_enriched_event(nonce=5)
    outcome = folded.fold.take(event)
    assert isinstance(outcome, EventRows)
    assert outcome.sessions[0][SESSION_ID] == 5


def test_many_sessions_are_forgotten_and_stepped_back_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_sessions, "SLICE", 3)
    monkeypatch.setattr(module, "SLICE", 3)
    folded = Folded()
    for visitor in range(10):
        folded.visit(NOON + 100, visitor=Visitor(visitor, None))
    assert len(list(folded.fold.begin_in_slices(NOON))) == 3
    assert {session.touched for session in folded.fold.sessions} == {NOON}
    assert len(list(folded.fold.begin_in_slices(NOON + 3600))) == 3
    assert len(folded.fold.sessions) == 0

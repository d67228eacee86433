"""Compares the responses to clients with the rows in the store. A pure function."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.chaos.traffic import ENGAGEMENT, IMPRESSION, PAGEVIEW, parse_uid


class Outcome(Enum):
    """The outcome of an event, as known to the client."""

    ACKNOWLEDGED = "acknowledged"
    DROPPED = "dropped"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that was sent once.

    Attributes:
        uid: Its unique id.
        visitor: Number of the visitor.
        sequence: Its number among the visitor's events.
        name: The event's name.
        pathname: The page's path.
        outcome: The outcome known to the client.
        status: Status code of the response; 0 if there was none.
    """

    uid: str
    visitor: int
    sequence: int
    name: str
    pathname: str
    outcome: Outcome
    status: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of `events_v2`."""

    uid: str
    name: str
    pathname: str
    session_id: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures in a session's row: `start` in Unix seconds, `duration` in seconds."""

    events: int
    pageviews: int
    start: int
    duration: int
    is_bounce: int
    entry_page: str
    exit_page: str


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session in `sessions_v2`, without rows that cancel each other.

    Attributes:
        session_id: Its id.
        signs: Sum of `sign` over all its rows.
        rows: Number of remaining rows.
        sums: Sums of `events`, `pageviews`, `duration` and `is_bounce`, multiplied by `sign`.
        figures: The figures of the remaining row.
    """

    session_id: int
    signs: int
    rows: int
    sums: tuple[int, int, int, int]
    figures: Figures


CHECKS = (
    "lost",
    "doubled",
    "refused but stored",
    "dropped but stored",
    "set aside and stored",
    "altered",
    "of no client",
    "dropped without reason",
    "visitor split",
    "session wrong",
)
"""All kinds of violations, in the order of the report."""


@dataclass(slots=True)
class Findings:
    """The audit's result.

    Attributes:
        outcomes: Number of events by outcome.
        statuses: Number of responses by status code; 0 for none.
        stored: Number of different events in the store.
        unknown_stored: Number of stored events without a response.
        set_aside: Number of events in dead letters that are not in the store.
        dropped_later: Number of engagement events without a session that were acknowledged while
            the fold was paused, so that the drop was only detected later.
        sessions: Number of checked sessions.
        visitors: Number of checked visitors.
        violations: Lines with the violations, for each of `CHECKS`.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    stored: int = 0
    unknown_stored: int = 0
    set_aside: int = 0
    dropped_later: int = 0
    sessions: int = 0
    visitors: int = 0
    violations: dict[str, list[str]] = field(
        default_factory=lambda: {check: [] for check in CHECKS}
    )

    @property
    def passed(self) -> bool:
        """Whether there are no violations."""
        return not any(self.violations.values())


def audit(
    sent: Iterable[Sent],
    events: Iterable[StoredEvent],
    sessions: Iterable[StoredSession],
    set_aside: Collection[str],
) -> Findings:
    """Compare the sent events with the store.

    Args:
        sent: All events that the clients have sent, each once.
        events: All rows of `events_v2`.
        sessions: All sessions of `sessions_v2`.
        set_aside: Ids of the events in dead letters.
    """
    findings = Findings()
    by_uid = {event.uid: event for event in sent}
    stored: defaultdict[str, list[StoredEvent]] = defaultdict(list)
    for row in events:
        stored[row.uid].append(row)
    findings.stored = len(stored)
    findings.set_aside = sum(uid not in stored for uid in set_aside)
    _check_events(by_uid, stored, set_aside, findings)
    _check_drops(by_uid.values(), stored.keys() | set(set_aside), findings)
    rows = [row for copies in stored.values() for row in copies[:1] if row.uid in by_uid]
    _check_visitors(rows, findings)
    _check_sessions(rows, sessions, findings)
    return findings


def _check_events(
    by_uid: dict[str, Sent],
    stored: dict[str, list[StoredEvent]],
    set_aside: Collection[str],
    findings: Findings,
) -> None:
    wrong = findings.violations
    opened = _first_events(by_uid.values())
    for uid, event in by_uid.items():
        findings.outcomes[event.outcome] += 1
        findings.statuses[event.status] += 1
        if uid in stored:
            _check_stored(event, stored[uid], findings)
        elif event.outcome is not Outcome.ACKNOWLEDGED or uid in set_aside:
            continue
        elif _has_no_visit(event, opened):
            findings.dropped_later += 1
        else:
            wrong["lost"].append(f"{uid} {event.name}: answered {event.status}, not stored")
    for uid, copies in stored.items():
        if len(copies) > 1:
            wrong["doubled"].append(f"{uid}: stored {len(copies)} times")
        if uid not in by_uid:
            wrong["of no client"].append(f"{uid!r} {copies[0].name}: stored, but nobody sent it")
        elif uid in set_aside:
            wrong["set aside and stored"].append(f"{uid}: in a dead letter and in the store")


def _check_stored(event: Sent, copies: Sequence[StoredEvent], findings: Findings) -> None:
    wrong = findings.violations
    match event.outcome:
        case Outcome.UNKNOWN:
            findings.unknown_stored += 1
        case Outcome.REFUSED:
            wrong["refused but stored"].append(f"{event.uid}: answered {event.status}, stored")
        case Outcome.DROPPED:
            wrong["dropped but stored"].append(f"{event.uid}: answered as dropped, stored")
        case Outcome.ACKNOWLEDGED:
            pass
    for row in copies:
        if (row.name, row.pathname) != (event.name, event.pathname):
            wrong["altered"].append(
                f"{event.uid}: sent {event.name} {event.pathname}, stored {row.name} {row.pathname}"
            )


def _check_drops(sent: Iterable[Sent], found: Collection[str], findings: Findings) -> None:
    """Check that dropped events are in dead letters, or are engagement before any other event."""
    events = list(sent)
    opened = _first_events(events)
    for event in events:
        if event.outcome is not Outcome.DROPPED or event.uid in found:
            continue
        if not _has_no_visit(event, opened):
            findings.violations["dropped without reason"].append(
                f"{event.uid} {event.name}: dropped, in no dead letter, its visit was open"
            )


def _first_events(sent: Iterable[Sent]) -> dict[int, int]:
    """Return the number of each visitor's first acknowledged event that opened a session."""
    first: dict[int, int] = {}
    for event in sent:
        if event.outcome is Outcome.ACKNOWLEDGED and event.name != ENGAGEMENT:
            known = first.get(event.visitor, event.sequence)
            first[event.visitor] = min(known, event.sequence)
    return first


def _has_no_visit(event: Sent, opened: dict[int, int]) -> bool:
    """Whether an event is an engagement event before any event that opens a session."""
    return event.name == ENGAGEMENT and opened.get(event.visitor, event.sequence) >= event.sequence


def _check_visitors(rows: Iterable[StoredEvent], findings: Findings) -> None:
    """Check that each visitor has one session, as no visitor pauses for longer than its timeout."""
    visits: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: row.uid):
        visits[parse_uid(row.uid)[0]].setdefault(row.session_id, row.uid)
    findings.visitors = len(visits)
    for visitor, firsts in visits.items():
        if len(firsts) > 1:
            findings.violations["visitor split"].append(
                f"visitor {visitor:06d}: {len(firsts)} visits, "
                + ", ".join(f"{session} from {uid}" for session, uid in firsts.items())
            )


def _check_sessions(
    rows: Iterable[StoredEvent], sessions: Iterable[StoredSession], findings: Findings
) -> None:
    by_session: defaultdict[int, list[StoredEvent]] = defaultdict(list)
    for row in rows:
        by_session[row.session_id].append(row)
    kept = {session.session_id: session for session in sessions}
    findings.sessions = len(by_session.keys() | kept.keys())
    for session_id in sorted(by_session.keys() | kept.keys()):
        problem = _session_problem(by_session.get(session_id, []), kept.get(session_id))
        if problem:
            findings.violations["session wrong"].append(f"session {session_id}: {problem}")


def _session_problem(rows: list[StoredEvent], session: StoredSession | None) -> str:
    rows = sorted(rows, key=lambda row: row.uid)
    about = f"{rows[0].uid} to {rows[-1].uid}" if rows else "no event"
    if session is None:
        return f"{about}: no row in sessions_v2"
    expected = figures_of(rows)
    if expected is None:
        return f"{about}: a visit without an event that could have opened it"
    sums = (expected.events, expected.pageviews, expected.duration, expected.is_bounce)
    if session.signs != 1 or session.rows != 1:
        return (
            f"{about}: sum(sign) is {session.signs}, {session.rows} rows are left, "
            f"expected sums {sums}, stored {session.sums}"
        )
    if session.figures != expected:
        return f"{about}: expected {expected}, stored {session.figures}"
    if session.sums != sums:
        return f"{about}: expected sums {sums}, stored {session.sums}"
    return ""


def figures_of(rows: Iterable[StoredEvent]) -> Figures | None:
    """Return the expected figures of a session's row, given its events in order.

    Returns:
        The figures; None if there are only engagement events.
    """
    counted = [row for row in rows if row.name != ENGAGEMENT]
    if not counted:
        return None
    pages = [row.pathname for row in counted if row.name == PAGEVIEW]
    acted = any(row.name not in (PAGEVIEW, IMPRESSION) for row in counted)
    start = counted[0].timestamp
    return Figures(
        events=len(counted),
        pageviews=len(pages),
        start=start,
        duration=abs(counted[-1].timestamp - start),
        is_bounce=int(len(pages) < 2 and not acted),
        entry_page=pages[0] if pages else "",
        exit_page=pages[-1] if pages else "",
    )

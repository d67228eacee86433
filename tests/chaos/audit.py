"""Compares the responses to clients with the rows in the store. A pure function."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.events import Figures, Outcome, Sent, StoredEvent, StoredSession
from tests.chaos.traffic import ENGAGEMENT, IMPRESSION, PAGEVIEW, parse_uid

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
        refused_stored: Number of stored events that were refused, where that is allowed.
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
    refused_stored: int = 0
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
    positions: Mapping[str, int] | None = None,
) -> Findings:
    """Compare the sent events with the store.

    Args:
        sent: All events that the clients have sent, each once.
        events: All rows of `events_v2`.
        sessions: All sessions of `sessions_v2`.
        set_aside: Ids of the events in dead letters.
        positions: Position in the log of each event that the log has. None if the log has each
            visitor's events in the order in which they were sent, and no refused event.
    """
    findings = Findings()
    by_uid = {event.uid: event for event in sent}
    stored: defaultdict[str, list[StoredEvent]] = defaultdict(list)
    for row in events:
        stored[row.uid].append(row)
    findings.stored = len(stored)
    findings.set_aside = sum(uid not in stored for uid in set_aside)
    order = _Order(by_uid.values(), set_aside, positions)
    _check_events(by_uid, stored, set_aside, order, findings)
    _check_drops(by_uid.values(), stored.keys() | set(set_aside), order, findings)
    rows = [row for copies in stored.values() for row in copies[:1] if row.uid in by_uid]
    rows.sort(key=lambda row: (parse_uid(row.uid)[0], order.position(row.uid)))
    _check_visitors(rows, findings)
    _check_sessions(rows, sessions, findings)
    return findings


class _Order:
    """The order in which the events of each visitor took effect."""

    def __init__(
        self,
        sent: Iterable[Sent],
        set_aside: Collection[str],
        positions: Mapping[str, int] | None,
    ) -> None:
        self.may_store_refused = positions is not None
        self._positions = positions
        self._first: dict[int, int] = {}
        for event in sent:
            if positions is None:
                opens = event.outcome is Outcome.ACKNOWLEDGED
            else:
                opens = event.uid in positions and event.uid not in set_aside
            if opens and event.name != ENGAGEMENT:
                position = self.position(event.uid)
                known = self._first.get(event.visitor, position)
                self._first[event.visitor] = min(known, position)

    def position(self, uid: str) -> int:
        """Return an event's position among those of its visitor; -1 if the log has it not."""
        return parse_uid(uid)[1] if self._positions is None else self._positions.get(uid, -1)

    def demands(self, event: Sent) -> bool:
        """Whether an event must be stored, unless it is dropped: it was acknowledged or logged."""
        if self._positions is not None and event.uid in self._positions:
            return True
        return event.outcome is Outcome.ACKNOWLEDGED

    def has_no_visit(self, event: Sent) -> bool:
        """Whether an event is an engagement event before any event that opens a session."""
        if event.name != ENGAGEMENT or self.position(event.uid) < 0:
            return False
        first = self._first.get(event.visitor)
        return first is None or first > self.position(event.uid)


def _check_events(
    by_uid: dict[str, Sent],
    stored: dict[str, list[StoredEvent]],
    set_aside: Collection[str],
    order: _Order,
    findings: Findings,
) -> None:
    wrong = findings.violations
    for uid, event in by_uid.items():
        findings.outcomes[event.outcome] += 1
        findings.statuses[event.status] += 1
        if uid in stored:
            _check_stored(event, stored[uid], order, findings)
        elif uid in set_aside or not order.demands(event):
            continue
        elif order.has_no_visit(event):
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


def _check_stored(
    event: Sent, copies: Sequence[StoredEvent], order: _Order, findings: Findings
) -> None:
    wrong = findings.violations
    match event.outcome:
        case Outcome.UNKNOWN:
            findings.unknown_stored += 1
        case Outcome.REFUSED if order.may_store_refused:
            findings.refused_stored += 1
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


def _check_drops(
    sent: Iterable[Sent], found: Collection[str], order: _Order, findings: Findings
) -> None:
    """Check that dropped events are in dead letters, or are engagement before any other event."""
    for event in sent:
        if event.outcome is not Outcome.DROPPED or event.uid in found:
            continue
        if not order.has_no_visit(event):
            findings.violations["dropped without reason"].append(
                f"{event.uid} {event.name}: dropped, in no dead letter, its visit was open"
            )


def _check_visitors(rows: Iterable[StoredEvent], findings: Findings) -> None:
    """Check that each visitor has one session, as no visitor pauses for longer than its timeout."""
    visits: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for row in rows:
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
    """Check the session of each event; the rows are in order."""
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

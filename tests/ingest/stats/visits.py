"""Small visits for tests, and the rows that become of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.stores.store import Store
from ingest.model.event import Attribution, Device, EnrichedEvent, Place, Visitor
from ingest.rows.layout import rows_of
from ingest.rows.schema import EVENTS, SESSIONS
from ingest.sessions.live_sessions import LiveSessions
from ingest.sessions.session import Session
from tests.examples import an_enriched_event

MINUTE, HOUR, DAY = 60, 3600, 86_400
NOW = 1_790_087_400
"""2026-09-22 14:30 UTC, a Tuesday."""

TODAY = NOW // DAY * DAY

MAC = Device("Chrome", "131.0", "Mac", "10.15", "Desktop")
PHONE = Device("Safari", "18.0", "iOS", "18.0", "Mobile")
GOOGLE = Attribution(
    referrer="google.com", referrer_source="Google", acquisition_channel="Organic Search"
)
DIRECT = Attribution(acquisition_channel="Direct")


def at(
    when: int, user: int = 1, name: str = "pageview", page: str = "/", **changes: Any
) -> EnrichedEvent:
    """An event of a visitor, `when` in Unix seconds."""
    fields: dict[str, Any] = {
        "timestamp": when,
        "visitor": Visitor(user, None),
        "name": name,
        "pathname": page,
        "device": MAC,
        "attribution": DIRECT,
        "nonce": when * 1000 + user,
    }
    return an_enriched_event(**(fields | changes))


@dataclass
class Folded:
    """What becomes of events: the rows of both tables, and the visits in their last states."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    sessions: list[tuple[Any, ...]] = field(default_factory=list)
    visits: dict[int, Session] = field(default_factory=dict)
    kept: list[EnrichedEvent] = field(default_factory=list)
    cancelled: list[tuple[int, int]] = field(default_factory=list)


def fold(events: Iterable[EnrichedEvent]) -> Folded:
    """Fold events as the pipeline does; of a visit's states only the last one stays in `visits`.

    `cancelled` has the times of a state that is no longer valid and of the row that cancels it.
    """
    folded, opened = Folded(), LiveSessions(1800)
    written: dict[int, int] = {}
    for event in sorted(events, key=lambda event: event.timestamp):
        transition = opened.transition(event, event.timestamp)
        if transition is None:
            continue
        opened.put(transition.after)
        rows = rows_of(event, transition)
        folded.events.append(rows.event)
        folded.sessions.extend(rows.sessions)
        folded.kept.append(event)
        after = transition.after
        if rows.sessions:
            if transition.before is not None:
                times = (written[after.session_id], transition.before.timestamp)
                folded.cancelled.append(times)
            written[after.session_id] = after.timestamp
            folded.visits[after.session_id] = after
    return folded


async def store_rows(store: Store, folded: Folded, token: str) -> None:
    """Insert in small parts, so that outdated states are there with the rows that cancel them."""
    await store.insert(EVENTS, folded.events, f"{token} events")
    for number, rows in enumerate(_parts(folded.sessions)):
        await store.insert(SESSIONS, rows, f"{token} sessions {number}")


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterable[Sequence[tuple[Any, ...]]]:
    middle = len(rows) // 2
    # An odd place, so that some state and its cancellation are in different parts.
    return [part for part in (rows[:1], rows[1:middle], rows[middle:]) if part]


BRITAIN = Place(country_code="GB")

WEEK: list[EnrichedEvent] = [
    # Yesterday at 10:00 from Google on a Mac: two pages, a goal; 40 s + 30 s.
    at(TODAY - 14 * HOUR, 1, page="/a", attribution=GOOGLE, place=BRITAIN),
    at(TODAY - 14 * HOUR + 20, 1, "engagement", "/a", engagement_time=20_000),
    at(TODAY - 14 * HOUR + 40, 1, page="/b"),
    at(TODAY - 14 * HOUR + 70, 1, "Signup", "/b"),
    at(TODAY - 14 * HOUR + 75, 1, "engagement", "/b", engagement_time=35_000),
    # The same visitor in the evening, directly: one page, a bounce.
    at(TODAY - 2 * HOUR, 1, page="/a", place=BRITAIN),
    # A telephone, a bounce; its engagement is no pageview.
    at(TODAY - 10 * HOUR, 2, page="/a", device=PHONE),
    at(TODAY - 10 * HOUR + 9, 2, "engagement", "/a", engagement_time=9_000),
    # Over midnight: one visit of two days, 600 s.
    at(TODAY - 300, 3, page="/a", device=PHONE, place=BRITAIN),
    at(TODAY + 300, 3, page="/c"),
    # Today: a goal without a page, then a page; not a bounce, 60 s.
    at(TODAY + HOUR, 4, "Signup", "/c"),
    at(TODAY + HOUR + 60, 4, page="/c"),
    # The day before yesterday, one bounce.
    at(TODAY - 30 * HOUR, 5, page="/b"),
    # Another site.
    at(TODAY - 10 * HOUR, 6, page="/elsewhere", site_id=2),
]

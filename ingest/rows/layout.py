"""How an event and its session become rows, in the order of the tables' columns."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from ingest.model.event import ENGAGEMENT, Attribution, Device, EnrichedEvent, Place
from ingest.sessions.open_sessions import OpenSessions, Transition
from ingest.sessions.session import Session

Row = tuple[Any, ...]

SESSION_ID, SESSION_SIGN, SESSION_EVENTS = 0, 1, 11
"""Positions in a session row."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where an event came from, if not straight from a client to whom it happens now.

    Attributes:
        past: Whether it is of the past, so that its visit is kept apart.
        letter: Id of the dead letter that was put back; None when there was none. Where the event
            is kept, its letter is done with.
    """

    past: bool = False
    letter: str | None = None


LIVE = Origin()


class EventRows(msgspec.Struct, frozen=True, gc=False):
    """The rows that one event causes.

    Attributes:
        event: Its row in `events_v2`.
        sessions: Its rows in `sessions_v2`: none, a new state, or a cancelled and a new state.
        origin: Where the event came from.
    """

    event: Row
    sessions: tuple[Row, ...]
    origin: Origin = LIVE


class Run(msgspec.Struct, frozen=True, gc=False):
    """Events that follow each other in the journal, as rows.

    Attributes:
        first: Position of the first event; positions number all events accepted, from 0.
        rows: An entry for each event.
    """

    first: int
    rows: Sequence[EventRows]

    @property
    def end(self) -> int:
        """The position after the last event."""
        return self.first + len(self.rows)

    def between(self, first: int, end: int) -> "Run":
        """The part from one position to another; all of it if it has nothing outside."""
        if first <= self.first and self.end <= end:
            return self
        first = max(first, self.first)
        return Run(first, self.rows[first - self.first : max(end - self.first, 0)])


def rows_of(event: EnrichedEvent, transition: Transition, origin: Origin = LIVE) -> EventRows:
    """What an event and its visit's change write (spec/sessions.md §6).

    An engagement event states no visit: it only keeps it alive (spec/sessions.md §4).
    """
    before, after = transition.before, transition.after
    states: tuple[Row, ...] = ()
    if before is None:
        states = (session_row(after, 1),)
    elif event.name != ENGAGEMENT:
        states = (session_row(before, -1), session_row(after, 1))
    return EventRows(event_row(event, after), states, origin)


def event_row(event: EnrichedEvent, session: Session) -> Row:
    """The event's row in `events_v2` (spec/schema.md §1).

    Attribution, place and device are the session's, and so is the user id (spec/sessions.md §4).
    """
    attribution, place, device, revenue = (
        session.attribution,
        session.place,
        session.device,
        event.revenue,
    )
    return (
        event.timestamp,
        event.name,
        event.site_id,
        session.user_id,
        session.session_id,
        event.hostname,
        event.pathname,
        attribution.referrer,
        attribution.referrer_source,
        place.country_code,
        device.screen_size,
        device.operating_system,
        device.browser,
        attribution.utm_medium,
        attribution.utm_source,
        attribution.utm_campaign,
        tuple([key for key, _ in event.props]),
        tuple([value for _, value in event.props]),
        device.browser_version,
        device.operating_system_version,
        place.subdivision1_code,
        place.subdivision2_code,
        place.city_geoname_id,
        attribution.utm_content,
        attribution.utm_term,
        None if revenue is None else revenue.reporting_amount,
        "" if revenue is None else revenue.reporting_currency,
        None if revenue is None else revenue.source_amount,
        "" if revenue is None else revenue.source_currency,
        attribution.click_id_param,
        event.scroll_depth,
        attribution.acquisition_channel,
        event.engagement_time,
    )


def session_row(session: Session, sign: int) -> Row:
    """A state of a session in `sessions_v2` (spec/schema.md §2).

    Args:
        session: The state.
        sign: +1 to state it, -1 to cancel it.
    """
    attribution, place, device = session.attribution, session.place, session.device
    return (
        session.session_id,
        sign,
        session.site_id,
        session.user_id,
        session.hostname,
        session.timestamp,
        session.start,
        1 if session.is_bounce else 0,
        session.entry_page,
        session.exit_page,
        session.pageviews,
        session.events,
        session.duration,
        attribution.referrer,
        attribution.referrer_source,
        place.country_code,
        device.screen_size,
        device.operating_system,
        device.browser,
        attribution.utm_medium,
        attribution.utm_source,
        attribution.utm_campaign,
        attribution.utm_content,
        attribution.utm_term,
        device.browser_version,
        device.operating_system_version,
        place.subdivision1_code,
        place.subdivision2_code,
        place.city_geoname_id,
        tuple([key for key, _ in session.entry_props]),
        tuple([value for _, value in session.entry_props]),
        session.exit_page_hostname,
        attribution.click_id_param,
        attribution.acquisition_channel,
    )


def session_of(row: Row) -> Session:
    """The state that a session's row tells: the inverse of `session_row`."""
    return Session(
        session_id=row[0],
        site_id=row[2],
        user_id=row[3],
        hostname=row[4],
        timestamp=row[5],
        start=row[6],
        is_bounce=bool(row[7]),
        entry_page=row[8],
        exit_page=row[9],
        exit_page_hostname=row[31],
        pageviews=row[10],
        events=row[11],
        duration=row[12],
        entry_props=tuple(zip(row[29], row[30], strict=True)),
        attribution=Attribution(
            referrer=row[13],
            referrer_source=row[14],
            utm_medium=row[19],
            utm_source=row[20],
            utm_campaign=row[21],
            utm_content=row[22],
            utm_term=row[23],
            click_id_param=row[32],
            acquisition_channel=row[33],
        ),
        place=Place(
            country_code=row[15],
            subdivision1_code=row[26],
            subdivision2_code=row[27],
            city_geoname_id=row[28],
        ),
        device=Device(
            screen_size=row[16],
            operating_system=row[17],
            browser=row[18],
            browser_version=row[24],
            operating_system_version=row[25],
        ),
    )


def replay(open_sessions: OpenSessions, rows: EventRows) -> None:
    """Repeat what an event did to the open visits, as its rows tell."""
    sessions = open_sessions.past if rows.origin.past else open_sessions
    if rows.sessions:
        sessions.put(session_of(rows.sessions[-1]))
        return
    # An engagement event writes no state: it only keeps the visit alive.
    timestamp, site_id, user_id, session_id = (rows.event[i] for i in (0, 2, 3, 4))
    session = sessions.get(site_id, user_id)
    if session is not None and session.session_id == session_id:
        sessions.put(replace(session, timestamp=timestamp))

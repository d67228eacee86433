"""How an event and its session become rows, in the order of the tables' columns.

Rows are put together from tuples of at most 30 values. Python makes a longer display through a
list, value by value, which takes three times as long.
"""

from typing import Any

import msgspec

from ingest.model.event import ENGAGEMENT, EnrichedEvent
from ingest.sessions.open_sessions import Transition
from ingest.sessions.session import Session

Row = tuple[Any, ...]

SESSION_ID, SESSION_SIGN, SESSION_EVENTS = 0, 1, 11
"""Positions in a session row."""


class EventRows(msgspec.Struct, frozen=True, gc=False):
    """The rows that one event causes.

    Attributes:
        event: Its row in `events_v2`.
        sessions: Its rows in `sessions_v2`: none, a new state, or a cancellation and a new state.
    """

    event: Row
    sessions: tuple[Row, ...]


def rows_of(event: EnrichedEvent, transition: Transition) -> EventRows:
    """The rows of an event and of the change of its session (spec/sessions.md §6).

    An engagement event writes no session row; it only keeps the session alive (spec/sessions.md
    §4).
    """
    before, after = transition.before, transition.after
    states: tuple[Row, ...] = ()
    if before is None:
        states = (session_row(after, 1),)
    elif event.name != ENGAGEMENT:
        tail = _tail(after)
        same = before.exit_page_hostname == after.exit_page_hostname
        states = (
            _head(before, -1) + (tail if same else _tail(before)),
            _head(after, 1) + tail,
        )
    return EventRows(event_row(event, after), states)


def event_row(event: EnrichedEvent, session: Session) -> Row:
    """The event's row in `events_v2` (spec/schema.md §1).

    Attribution, place and device are the session's, and so is the user id (spec/sessions.md §4).
    """
    attribution, place, device = session.attribution, session.place, session.device
    props, revenue = event.props, event.revenue
    head = (
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
    )
    tail = (
        tuple([key for key, _ in props]) if props else (),
        tuple([value for _, value in props]) if props else (),
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
    return head + tail


def session_row(session: Session, sign: int) -> Row:
    """A state of a session in `sessions_v2` (spec/schema.md §2).

    Args:
        session: The state.
        sign: +1 to write it, -1 to cancel it.
    """
    return _head(session, sign) + _tail(session)


def _head(session: Session, sign: int) -> Row:
    """The first columns of `session_row`."""
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
    )


def _tail(session: Session) -> Row:
    """The other columns of `session_row`. Only `exit_page_hostname` can change in a session."""
    attribution, place, device = session.attribution, session.place, session.device
    props = session.entry_props
    return (
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
        tuple([key for key, _ in props]) if props else (),
        tuple([value for _, value in props]) if props else (),
        session.exit_page_hostname,
        attribution.click_id_param,
        attribution.acquisition_channel,
    )

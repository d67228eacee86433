"""How an event and its session become rows, in the order of the tables' columns."""

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
        lasting = _lasting(after)
        states = (_state_row(before, -1, lasting), _state_row(after, 1, lasting))
    return EventRows(event_row(event, after), states)


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
        tuple([key for key, _ in event.props]) if event.props else (),
        tuple([value for _, value in event.props]) if event.props else (),
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
        sign: +1 to write it, -1 to cancel it.
    """
    return _state_row(session, sign, _lasting(session))


def _state_row(session: Session, sign: int, lasting: tuple[Row, Row]) -> Row:
    """As `session_row`.

    Args:
        session: The state.
        sign: As above.
        lasting: Of any state of the session.
    """
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
        *lasting[0],
        session.exit_page_hostname,
        *lasting[1],
    )


def _lasting(session: Session) -> tuple[Row, Row]:
    """The columns that are the same in all states of a session, in two stretches."""
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
    ), (attribution.click_id_param, attribution.acquisition_channel)

"""A session, and how each event changes it (spec/sessions.md §3 to §5)."""

import msgspec
from msgspec.structs import replace

from ingest.model.event import (
    ENGAGEMENT,
    PAGEVIEW,
    Attribution,
    Device,
    EnrichedEvent,
    Place,
    Props,
)
from ingest.sessions.shared_values import SHARED_BY_PYTHON, share


class Session(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The state of one session.

    Attributes:
        session_id: The nonce of the first event.
        site_id: The site visited.
        user_id: The visitor's id at the start of the session; kept when the salts rotate.
        hostname: Host of the first pageview, empty before it.
        timestamp: Last activity, Unix seconds.
        start: First event, Unix seconds.
        is_bounce: Whether the session has one pageview and no other interactive event.
        entry_page: Path of the first pageview, empty before it.
        exit_page: Path of the last pageview.
        exit_page_hostname: Host of the last pageview.
        pageviews: Number of pageviews.
        events: Number of events other than engagement; the version of the session's row.
        duration: Seconds from the first event to the last.
        entry_props: Custom properties of the first event.
        attribution: Of the first event; later events do not change it.
        place: Of the first event.
        device: Of the first event.
        touched: When its last event entered the log, Unix seconds of the log's time.
    """

    session_id: int
    site_id: int
    user_id: int
    hostname: str
    timestamp: int
    start: int
    is_bounce: bool
    entry_page: str
    exit_page: str
    exit_page_hostname: str
    pageviews: int
    events: int
    duration: int
    entry_props: Props
    attribution: Attribution
    place: Place
    device: Device
    touched: int = 0


def begin(event: EnrichedEvent, log_time: int) -> Session:
    """Start a session with its first event, which must not be an engagement event.

    Args:
        event: The event.
        log_time: When it entered the log, Unix seconds.
    """
    pageview = event.name == PAGEVIEW
    timestamp = log_time if event.timestamp == log_time else share(event.timestamp)
    hostname = share(event.hostname) if pageview else ""
    pathname = share(event.pathname) if pageview else ""
    return Session(  # by position, see `ingest.model.event`
        event.nonce,
        event.site_id,
        event.visitor.user_id,
        hostname,
        timestamp,
        timestamp,
        pageview or not event.interactive,
        pathname,
        pathname,
        hostname,
        1 if pageview else 0,
        1,
        0,
        event.props,
        share(event.attribution),
        share(event.place),
        share(event.device),
        log_time,
    )


def advance(session: Session, event: EnrichedEvent, log_time: int) -> Session:
    """Apply a later event to a session.

    An engagement event only keeps the session alive. Any other event is counted. A pageview becomes
    the exit page, and the entry page if there was none yet. Source, place and device stay those of
    the first event.

    Args:
        session: The session.
        event: The event.
        log_time: When it entered the log, Unix seconds.
    """
    timestamp = log_time if event.timestamp == log_time else share(event.timestamp)
    if event.name == ENGAGEMENT:
        return replace(session, timestamp=timestamp, touched=log_time)
    hostname, entry_page, pageviews = session.hostname, session.entry_page, session.pageviews
    exit_page, exit_page_hostname = session.exit_page, session.exit_page_hostname
    pageview = event.name == PAGEVIEW
    if pageview:
        pageviews += 1
        exit_page = share(event.pathname)
        if event.hostname != exit_page_hostname:
            exit_page_hostname = share(event.hostname)
        if not entry_page:
            hostname, entry_page = exit_page_hostname, exit_page
    ends_bounce = pageviews >= 2 or (event.interactive and not pageview)
    duration = abs(event.timestamp - session.start)
    return Session(  # by position, see `ingest.model.event`
        session.session_id,
        session.site_id,
        session.user_id,
        hostname,
        timestamp,
        session.start,
        session.is_bounce and not ends_bounce,
        entry_page,
        exit_page,
        exit_page_hostname,
        pageviews,
        session.events + 1,
        duration if duration <= SHARED_BY_PYTHON else share(duration),
        session.entry_props,
        session.attribution,
        session.place,
        session.device,
        log_time,
    )


def with_shared_values(session: Session) -> Session:
    """The same session, whose values are those of other sessions where they are equal."""
    return replace(
        session,
        hostname=share(session.hostname),
        timestamp=share(session.timestamp),
        start=share(session.start),
        entry_page=share(session.entry_page),
        exit_page=share(session.exit_page),
        exit_page_hostname=share(session.exit_page_hostname),
        duration=share(session.duration),
        attribution=share(session.attribution),
        place=share(session.place),
        device=share(session.device),
        touched=share(session.touched),
    )

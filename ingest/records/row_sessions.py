"""Sessions restored from rows, for journals of versions 1 and 2, which held rows."""

from msgspec.structs import replace

from ingest.model.event import Attribution, Device, Place
from ingest.rows.layout import EventRows, Row
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.session import Session


def session_of(row: Row) -> Session:
    """The state in a session's row: the inverse of `session_row`."""
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
        touched=row[5],
    )


def follow_rows(sessions: OpenSessions, rows: EventRows) -> None:
    """Apply an event to the open sessions, from the event's rows."""
    if rows.sessions:
        sessions.put(session_of(rows.sessions[-1]))
        return
    # An engagement event writes no state; it only keeps the session alive.
    timestamp, site_id, user_id, session_id = (rows.event[i] for i in (0, 2, 3, 4))
    session = sessions.get(site_id, user_id)
    if session is not None and session.session_id == session_id:
        sessions.put(replace(session, timestamp=timestamp, touched=timestamp))

"""Sites, visits and rows as a trace shows them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ingest.model.event import EnrichedEvent
from ingest.pipeline.reference import Reference
from ingest.rows.layout import EventRows, Row
from ingest.rows.schema import TABLES, Table
from ingest.sessions.open_sessions import Transition
from ingest.sites.site import Site

_ID_DIGITS: Final = 6
"""Of up to 20: enough to see whether two are the same, too few to find the visitor's rows by."""

NEW_SESSION: Final = 0
"""The id of a session that would begin: a trace draws none."""


def shorten(number: int) -> str:
    """The first digits of an id."""
    digits = str(number)
    return digits if len(digits) <= _ID_DIGITS else f"{digits[:_ID_DIGITS]}…"


def _session_id(number: int) -> str:
    return "new" if number == NEW_SESSION else shorten(number)


def format_time(seconds: int) -> str:
    """A time as the store shows it, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def format_site(site: Site, reference: Reference) -> dict[str, Any]:
    """A site by its id and domains."""
    return {
        "id": site.id,
        "domain": site.domain,
        "previous_domain": site.previous_domain,
        "in_sites_file": reference.registry.by_id(site.id) is not None,
    }


def format_visit(transition: Transition, event: EnrichedEvent, timeout: int) -> dict[str, Any]:
    """The visit after the event, and whether it began with it.

    Args:
        transition: What the event would do to it.
        event: The event.
        timeout: Seconds of silence that end a visit.
    """
    before, after = transition.before, transition.after
    return {
        "begins": before is None,
        "session_id": _session_id(after.session_id),
        "start": format_time(after.start),
        "last_activity": format_time(event.timestamp if before is None else before.timestamp),
        "ends_after_seconds": timeout,
        "entry_page": after.entry_page,
        "pageviews": after.pageviews,
        "events": after.events,
        "is_bounce": after.is_bounce,
        "duration": after.duration,
    }


def format_rows(rows: EventRows) -> dict[str, list[dict[str, Any]]]:
    """Rows by table, each as column → value."""
    return {
        "events_v2": _by_column(TABLES["events_v2"], (rows.event,)),
        "sessions_v2": _by_column(TABLES["sessions_v2"], rows.sessions),
    }


def _by_column(table: Table, rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [
        {
            column.name: _value(column.name, column.type, value)
            for column, value in zip(table.inserted, row, strict=True)
        }
        for row in rows
    ]


def _value(name: str, kind: str, value: object) -> object:
    if name == "session_id" and isinstance(value, int):
        return _session_id(value)
    if name == "user_id" and isinstance(value, int):
        return shorten(value)
    if kind.startswith("DateTime") and isinstance(value, int):
        return format_time(value)
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Decimal) else value

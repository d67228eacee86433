"""Reads the rows in the store, and the dead letters."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.chaos.events import Figures, StoredEvent, StoredSession
from tests.chaos.traffic import UID, UID_PROP

Query = Callable[[str], list[dict[str, Any]]]
"""Returns the rows of a query to the store."""

ROWS_PER_QUERY: Final = 250_000
"""Number of rows per query, well below the limit of a query's result."""

_EVENTS: Final = f"""
SELECT meta.value[indexOf(meta.key, '{UID_PROP}')] AS uid, name, pathname,
    toString(session_id) AS session, toUnixTimestamp(timestamp) AS time
FROM events_v2 WHERE user_id % {{parts}} = {{part}}
"""
_SUMS: Final = """
SELECT toString(session_id) AS session, sum(sign) AS signs, sum(sign * events) AS events,
    sum(sign * pageviews) AS pageviews, sum(sign * duration) AS duration,
    sum(sign * is_bounce) AS bounces
FROM sessions_v2 GROUP BY session_id
"""
_FINAL: Final = """
SELECT toString(session_id) AS session, events, pageviews, toUnixTimestamp(start) AS began,
    duration, is_bounce, entry_page, exit_page
FROM sessions_v2 FINAL
"""


def read_events(query: Query) -> Iterator[StoredEvent]:
    """Yield all rows of `events_v2`."""
    count = int(query("SELECT count() AS rows FROM events_v2")[0]["rows"])
    parts = count // ROWS_PER_QUERY + 1
    for part in range(parts):
        for row in query(_EVENTS.format(parts=parts, part=part)):
            yield StoredEvent(
                row["uid"], row["name"], row["pathname"], int(row["session"]), int(row["time"])
            )


def read_sessions(query: Query) -> Iterator[StoredSession]:
    """Yield all sessions of `sessions_v2`."""
    left: dict[str, list[dict[str, Any]]] = {}
    for row in query(_FINAL):
        left.setdefault(row["session"], []).append(row)
    for row in query(_SUMS):
        rows = left.get(row["session"], [])
        sums = tuple(int(row[key]) for key in ("events", "pageviews", "duration", "bounces"))
        yield StoredSession(
            session_id=int(row["session"]),
            signs=int(row["signs"]),
            rows=len(rows),
            sums=(sums[0], sums[1], sums[2], sums[3]),
            figures=_figures(rows[0]) if rows else Figures(0, 0, 0, 0, 0, "", ""),
        )


def _figures(row: dict[str, Any]) -> Figures:
    return Figures(
        events=int(row["events"]),
        pageviews=int(row["pageviews"]),
        start=int(row["began"]),
        duration=int(row["duration"]),
        is_bounce=int(row["is_bounce"]),
        entry_page=row["entry_page"],
        exit_page=row["exit_page"],
    )


def set_aside(state: Path) -> set[str]:
    """Return the ids of the events in dead letters."""
    return {match[0] for path in _letters(state) for match in UID.finditer(path.read_text("utf-8"))}


def letters_of_rows(state: Path) -> list[str]:
    """Return the ids of letters with rows, whose events were acknowledged and failed later."""
    return [path.stem for path in _letters(state) if json.loads(path.read_text())["kind"] == "rows"]


def _letters(state: Path) -> list[Path]:
    directory = state / "dead-letters"
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.suffix in (".json", ".replay"))

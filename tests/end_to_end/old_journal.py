"""Writes a state directory like those of versions with a journal of rows."""

import json
import time
from pathlib import Path

from actors.log.frames import encode_frame, encode_header
from actors.log.journal_progress import PROGRESS, Progress, ProgressFile
from ingest.model.event import Visitor
from ingest.rows.layout import EventRows, rows_of
from ingest.sessions.live_sessions import LiveSessions
from tests.examples import an_enriched_event
from tests.ingest.records.old_forms import encode_rows, write_sessions

JOURNAL = 0x0123456789ABCDEF
VISITORS = 20


def leave_old_journal(state: Path, events: int) -> list[str]:
    """Write a backlog with a planned first batch, and sessions saved in the middle of it.

    Returns:
        The pages of the events.
    """
    now = int(time.time()) - 60
    sessions = LiveSessions(1800)
    pages: list[str] = []
    run: list[EventRows] = []
    (state / "journal").mkdir(mode=0o700, parents=True)
    segment = b""
    for number in range(events):
        event = an_enriched_event(
            visitor=Visitor(number % VISITORS, None),
            timestamp=now + number * 60 // events,
            pathname=f"/old/{number}",
            nonce=number + 1,
        )
        transition = sessions.transition(event, event.timestamp)
        assert transition is not None
        run.append(rows_of(event, transition))
        sessions.put(transition.after)
        pages.append(event.pathname)
        if number % (events // 2) == 0:
            first = number
            segment = encode_header(JOURNAL, first)
        if len(run) == 3 or number + 1 in (events // 2, events):
            segment += encode_frame(encode_rows(run), len(run))
            run = []
        if number + 1 in (events // 2, events):
            (state / "journal" / f"{first:020d}.journal").write_bytes(segment)
        if number + 1 == events // 2:
            header = {
                "version": 3,
                "journal": f"{JOURNAL:016x}",
                "position": number + 1,
                "visits": len(list(sessions)),
                "past_visits": 0,
            }
            lines = json.dumps(header).encode() + b"\n" + write_sessions(sessions)
            (state / "sessions.jsonl").write_bytes(lines)
    file = ProgressFile.open(state / "journal" / PROGRESS)
    file.write(Progress(JOURNAL, 0, (events // 5, events // 4)))
    file.close()
    return pages

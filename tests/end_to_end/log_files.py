"""What a log's files hold, and where, for tests that damage them."""

from pathlib import Path
from typing import NamedTuple

from actors.log.frames import HEADER_BYTES, frames
from actors.log.segment import SEGMENTS
from ingest.model.event import EnrichedEvent
from ingest.records.run import decode_run


class StoredRun(NamedTuple):
    """A run in a segment.

    Attributes:
        path: The segment.
        begin: Where its frame begins.
        end: Where it ends.
        first: Position of its first record.
        pages: Of its events.
    """

    path: Path
    begin: int
    end: int
    first: int
    pages: tuple[str, ...]


def segments_of(state: Path) -> list[Path]:
    """The segments, oldest first."""
    return sorted((state / "journal").glob(SEGMENTS))


def runs_of(state: Path) -> list[StoredRun]:
    """All runs of undamaged segments."""
    found: list[StoredRun] = []
    for path in segments_of(state):
        begin = HEADER_BYTES
        for frame in frames(path.read_bytes()):
            run = decode_run(frame.run)
            events = [record for record in run.records if isinstance(record, EnrichedEvent)]
            pages = tuple(event.pathname for event in events)
            found.append(StoredRun(path, begin, frame.end, run.first, pages))
            begin = frame.end
    return found

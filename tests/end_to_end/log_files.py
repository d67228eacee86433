"""Finds the runs in a log's files, for tests that damage them."""

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
        begin: Offset of the beginning of its frame.
        end: Offset of the end of its frame.
        first: Position of its first record.
        pages: Pages of its events.
    """

    path: Path
    begin: int
    end: int
    first: int
    pages: tuple[str, ...]


def segments_of(state: Path) -> list[Path]:
    """Return the segments, oldest first."""
    return sorted((state / "journal").glob(SEGMENTS))


def runs_of(state: Path) -> list[StoredRun]:
    """Return all runs of undamaged segments."""
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

"""The segments that a journal's directory has when a process opens it."""

from pathlib import Path
from typing import Final

import structlog

from actors.files.atomic import is_full
from actors.journal.progress import Progress
from actors.journal.segment import SUFFIX, DamagedSegmentError, Segment
from ingest.records import row_record as record

log = structlog.get_logger()

DAMAGED: Final = ".damaged"
"""Suffix of files that were put aside; nothing reads or deletes them."""


def open_segments(directory: Path) -> list[Segment]:
    """All readable segments, by position. What a crash left behind whole frames is cut off."""
    segments: list[Segment] = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            segment = Segment.open(path)
        except DamagedSegmentError as error:
            # Without a whole header there is no frame: a crash came right after it was made.
            log.warning("journal segment cannot be used", error=str(error))
            path.rename(path.with_suffix(DAMAGED))
            continue
        if segment.torn:
            log.warning("journal ends within a run", segment=path.name, bytes=segment.torn)
            segment.repair()
        if segment.end > segment.first:
            # A process begins a segment of its own, so its frames are of one version.
            record.check_version(segment.read(segment.first).record)
        segments.append(segment)
    return segments


def in_order(found: list[Segment], progress: Progress) -> list[Segment]:
    """The segments of this journal that have events; the others are deleted or put aside."""
    segments: list[Segment] = []
    for segment in found:
        if segment.journal_id != progress.journal_id:
            log.error("segment of another journal is put aside", segment=segment.path.name)
            segment.close()
            segment.path.rename(segment.path.with_suffix(DAMAGED))
        elif segment.first == segment.end:
            segment.delete()
        else:
            segments.append(segment)
    return segments


def first_segment(directory: Path, journal_id: int, end: int) -> Segment | None:
    """A segment to begin with; None while the disk is full.

    Raises:
        OSError: It cannot be made, and not for want of room.
    """
    try:
        return Segment.create(directory, journal_id, end)
    except OSError as error:
        if not is_full(error):
            raise
        log.error("journal has no room yet, events are refused", error=error.strerror)
        return None

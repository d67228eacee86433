"""Opens a log's directory: reads the segments, finds missing records, and repairs damage."""

import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from actors.log.frames import HEADER_BYTES, decode_header
from actors.log.journal_progress import PROGRESS, ProgressFile
from actors.log.log import LogPoint
from actors.log.losses import Gap, find_gaps
from actors.log.note import NOTE, Note, NoteFile
from actors.log.segment import SEGMENTS, SUFFIX, Segment

log = structlog.get_logger()

DAMAGED: Final = ".damaged"
"""Suffix of files that were moved aside; Sluice does not read or delete them."""

ORIGIN: Final = LogPoint(0, 0)


@dataclass(slots=True)
class Opening:
    """The state of a log when it was opened.

    Attributes:
        note: The note to write.
        segments: With records of this log, ascending.
        end: Where the next record goes. Positions of missing records are not reused.
        lost: Number of missing events that the store does not have.
    """

    note: Note
    segments: list[Segment]
    end: LogPoint
    lost: int = 0


def has_log(directory: Path) -> bool:
    """Whether a directory has a log; an old journal does not count."""
    return (directory / NOTE).exists() or any(directory.glob(SEGMENTS))


def open_directory(directory: Path, start: LogPoint | None) -> Opening:
    """Read all segments, report missing records, and move damaged files aside.

    Args:
        directory: The log's.
        start: Where a new log starts if there is an old journal.

    Raises:
        OSError: A file cannot be read or changed.
        UnknownRecordError: A later version of the program has written one; nothing was changed.
    """
    noted = NoteFile.read(directory / NOTE)
    found: list[Segment] = []
    try:
        for path in sorted(directory.glob(SEGMENTS)):
            found.append(Segment.open(path))  # noqa: PERF401 - those before a failure are closed
        if noted is None and not any(segment.stretches for segment in found):
            for segment in found:
                log.critical(
                    "log cannot be read, nobody knows what is lost", path=segment.path.name
                )
                _put_aside(segment)
            note = _new_note(directory, start)
            return Opening(note, [], note.committed)
        return _open_log(noted, found)
    except BaseException:
        for segment in found:
            segment.close()
        raise


def _new_note(directory: Path, start: LogPoint | None) -> Note:
    """The note of a new log; it takes over the id of an old journal, for its tokens."""
    source_id = secrets.randbits(64)
    if start is None:
        return Note(secrets.randbits(64), source_id, ORIGIN, None, ORIGIN)
    progress = ProgressFile.read(directory / PROGRESS)
    if progress is not None:
        return Note(progress.journal_id, source_id, start, None, start)
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        with path.open("rb") as file:
            header = decode_header(file.read(HEADER_BYTES))
        if header is not None:
            return Note(header.log_id, source_id, start, None, start)
    return Note(secrets.randbits(64), source_id, start, None, start)


def _open_log(noted: Note | None, found: list[Segment]) -> Opening:
    log_id = _log_id(noted, found)
    segments: list[Segment] = []
    unreadable: list[Segment] = []
    for segment in found:
        if segment.header is not None and segment.header.log_id != log_id:
            log.error("segment of another log is put aside", segment=segment.path.name)
            _put_aside(segment)
        elif not segment.stretches:
            unreadable.append(segment)
        elif segments and segment.first.position < segments[-1].end.position:
            log.error("segment repeats another and is put aside", segment=segment.path.name)
            _put_aside(segment)
        else:
            segments.append(segment)
    stretches = [stretch for segment in segments for stretch in segment.stretches]
    readable = stretches[-1].end if stretches else ORIGIN
    if noted is None:
        first = stretches[0].first
        log.error("log has no note, replaying all of it", segments=len(segments), first=first)
        noted = Note(log_id, 0, first, None, first)
    resumed = noted.clean and noted.synced == readable
    source_id = noted.source_id if resumed else secrets.randbits(64)
    note = replace(noted, source_id=source_id, clean=False)
    end = max(readable, note.synced, note.committed, note.prepared or ORIGIN)
    begin = min(note.committed, stretches[0].first) if stretches else note.committed
    gaps = list(find_gaps(stretches, begin, end))
    lost = sum(tell_loss(gap, note.committed) for gap in gaps)
    for segment in segments:
        _mend(segment, gaps)
    for segment in unreadable:
        _discard(segment, gaps)
    return Opening(note, segments, end, lost)


def _log_id(noted: Note | None, found: Sequence[Segment]) -> int:
    if noted is not None:
        return noted.log_id
    headers = (segment.header.log_id for segment in found if segment.header is not None)
    return next(headers, secrets.randbits(64))


def tell_loss(gap: Gap, committed: LogPoint) -> int:
    """Log that records are missing; returns the number of events that are lost."""
    lost = gap.events_beyond(committed)
    log.critical(
        "log is damaged, records are missing",
        first=gap.first.position,
        end=gap.end.position,
        events_lost=lost,
    )
    return lost


def _mend(segment: Segment, gaps: Sequence[Gap]) -> None:
    """Keep a copy of a damaged segment, and cut off a torn end."""
    torn_away = segment.torn and any(gap.first == segment.end for gap in gaps)
    if torn_away or not segment.whole:
        keep_aside(segment)
    elif segment.torn:
        log.warning("log ends within a run", segment=segment.path.name, bytes=segment.torn)
        segment.cut()


def _discard(segment: Segment, gaps: Sequence[Gap]) -> None:
    """Remove an unreadable segment: a crash came right after its creation.

    If it may contain missing records, it is moved aside instead.
    """
    name = segment.path.name.partition("-")[0]
    first = int(name) if name.isdecimal() else None
    if first is None or any(gap.first.position <= first < gap.end.position for gap in gaps):
        _put_aside(segment)
    else:
        log.warning("log ends within a new segment", segment=segment.path.name, bytes=segment.torn)
        segment.delete()


def _put_aside(segment: Segment) -> None:
    segment.close()
    segment.path.rename(segment.path.with_suffix(DAMAGED))


def keep_aside(segment: Segment) -> None:
    """Keep a hard link or a copy of a damaged file for inspection. Never raises."""
    aside = segment.path.with_suffix(DAMAGED)
    log.critical("damaged segment is kept aside", segment=segment.path.name, aside=aside.name)
    try:
        if not aside.exists():
            try:
                os.link(segment.path, aside)
            except OSError:
                # Not all file systems support hard links.
                shutil.copyfile(segment.path, aside)
    except OSError as error:
        log.error("damaged segment cannot be kept aside", error=error.strerror)

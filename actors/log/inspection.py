"""Reads a log's files without changing them, also while a server uses them."""

from dataclasses import dataclass
from pathlib import Path

from actors.log.frames import decode_header, frames, scan
from actors.log.journal_progress import PROGRESS, ProgressFile
from actors.log.log import LogPoint
from actors.log.losses import count_readable
from actors.log.note import NOTE, NoteFile
from actors.log.opening import DAMAGED
from actors.log.segment import SUFFIX, source_in
from ingest.records.run import UnknownRecordError


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The content of a log's directory.

    Attributes:
        events: Number of events whose rows the store has not acknowledged.
        bytes: Of all segments.
        damaged: Files that were moved aside or cannot be read.
    """

    events: int = 0
    bytes: int = 0
    damaged: int = 0


def inspect_log(directory: Path) -> LogFiles:
    """Inspect a log and the old journal before it, if any; reads every frame.

    Raises:
        OSError: A file cannot be read.
    """
    if not directory.is_dir():
        return LogFiles()
    note = NoteFile.read(directory / NOTE)
    committed = LogPoint(0, 0) if note is None else note.committed
    progress = ProgressFile.read(directory / PROGRESS)
    stored = 0 if progress is None else progress.stored
    events = size = 0
    damaged = len(list(directory.glob(f"*{DAMAGED}")))
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # The server has deleted it meanwhile.
        source_id = source_in(path)
        size += len(data)
        if decode_header(data) is None:
            damaged += 1
        if source_id is None:
            events += _count_old(data, stored)
            continue
        try:
            events += count_readable(scan(data, source_id), committed)
        except UnknownRecordError:
            damaged += 1
    return LogFiles(events, size, damaged)


def _count_old(data: bytes, stored: int) -> int:
    """Number of events in an old journal's segment that the store does not have."""
    header = decode_header(data)
    if header is None:
        return 0
    end = header.first + sum(frame.records for frame in frames(data))
    return max(end - max(header.first, stored), 0)

"""Reads a journal of version 1 or 2, which held rows instead of events.

It shares the log's directory: its segments are named by their first position only. A frame holds a
run of events' rows (`ingest.records.row_record`); positions number events.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

import structlog

from actors.log.frames import HEADER_BYTES, Frame, decode_header, frames
from actors.log.journal_progress import PROGRESS, Progress, ProgressFile
from actors.log.opening import DAMAGED
from actors.log.segment import read_file
from ingest.records.row_record import Origin, decode_journal_run
from ingest.rows.layout import EventRows

log = structlog.get_logger()

_SEGMENTS: Final = "[0-9]" * 20 + ".journal"


class JournalEvent(NamedTuple):
    """An event of a journal.

    Attributes:
        position: Its place.
        rows: Its rows.
        origin: Where it came from.
    """

    position: int
    rows: EventRows
    origin: Origin


@dataclass(frozen=True, slots=True)
class _Segment:
    """One open file, readable even if it is deleted.

    Attributes:
        path: Where it is.
        descriptor: The open file.
        first: Position of its first event.
        end: After its last readable event.
        whole: Whether there is nothing after that.
    """

    path: Path
    descriptor: int
    first: int
    end: int
    whole: bool

    @classmethod
    def open(cls, path: Path) -> tuple[Self, int] | None:
        """Open a file and check its frames.

        Returns:
            The segment and the id of its journal; None when its header is damaged.

        Raises:
            OSError: It cannot be read.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = read_file(descriptor)
            header = decode_header(data)
            if header is None:
                os.close(descriptor)
                return None
            end, offset = header.first, HEADER_BYTES
            for frame in frames(data):
                end, offset = end + frame.records, frame.end
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, header.first, end, offset == len(data)), header.log_id

    def frames(self) -> Iterator[Frame]:
        """Its intact frames."""
        return frames(read_file(self.descriptor))


class OldJournal:
    """The segments and the progress of an old journal. All calls block.

    Frames do not hold positions, so frames after a damaged one cannot be used. A segment with such
    frames is moved aside in the end.

    Attributes:
        id: Prefix of the tokens of batches.
        first: Position of the first event that can be read.
        end: After the last position that was used.
        stored: After the last event that the store has acknowledged.
        planned: Ends of batches after `stored` that the store may have, ascending.
        lost: Number of missing events that the store does not have, as far as known.
    """

    def __init__(
        self, directory: Path, segments: list[_Segment], file: ProgressFile, progress: Progress
    ) -> None:
        """Own open files; use `open`."""
        self._directory = directory
        self._segments = segments
        self._file = file
        self._number = progress.journal_id
        self.id = f"{progress.journal_id:016x}"
        self.stored = progress.stored
        self.planned = progress.planned
        # Batches are named by positions, so no position is reused, even if its event is lost.
        ends = [segment.end for segment in segments]
        self.end = max([progress.stored, *progress.planned, *ends])
        self.first = segments[0].first if segments else self.end
        self.lost = self._count_lost()

    @classmethod
    def open(cls, directory: Path) -> Self | None:
        """Open a journal; None when there is none.

        Raises:
            OSError: It cannot be read.
        """
        paths = sorted(directory.glob(_SEGMENTS))
        progress = ProgressFile.read(directory / PROGRESS)
        if not paths and progress is None:
            # A version that refuses the log may leave an empty progress file.
            return None
        with contextlib.ExitStack() as opened:
            segments: list[_Segment] = []
            for path in paths:
                found = _Segment.open(path)
                if found is None:
                    # A file without a header has no frames: a crash came right after its creation.
                    log.warning("segment of the old journal has no header", segment=path.name)
                    path.rename(path.with_suffix(DAMAGED))
                    continue
                segment, journal_id = found
                if progress is None:
                    log.error("journal's progress is unknown, storing all of it")
                    progress = Progress(journal_id, segment.first)
                if journal_id != progress.journal_id:
                    log.error("segment of another journal is put aside", segment=path.name)
                    os.close(segment.descriptor)
                    path.rename(path.with_suffix(DAMAGED))
                else:
                    opened.callback(os.close, segment.descriptor)
                    segments.append(segment)
            if progress is None:
                return None
            file = ProgressFile.open(directory / PROGRESS)
            opened.pop_all()
        return cls(directory, segments, file, progress)

    def _count_lost(self) -> int:
        lost, known = 0, self.stored
        for segment in self._segments:
            lost += _tell_loss(known, segment.first)
            known = max(known, segment.end)
            if not segment.whole:
                log.error(
                    "segment of the old journal ends within a run, or is damaged",
                    segment=segment.path.name,
                    position=segment.end,
                )
        return lost + _tell_loss(known, self.end)

    def events(self, position: int) -> Iterator[list[JournalEvent]]:
        """The events from a position on, in runs.

        Raises:
            OSError: They cannot be read.
            UnknownRecordError: A record is of a version that is not known.
            ValueError: A record is damaged although its checksum is right.
        """
        for segment in self._segments:
            if segment.end <= position:
                continue
            first = segment.first
            for frame in segment.frames():
                end = first + frame.records
                if end > position:
                    run = decode_journal_run(frame.run)
                    yield [
                        JournalEvent(at, rows, origin)
                        for at, (rows, origin) in enumerate(run, first)
                        if at >= position
                    ]
                first = end

    def plan(self, end: int) -> None:
        """Record that the store may have the rows from `stored` to a position from now on."""
        self._note(self.stored, (end,))

    def acknowledge(self, end: int) -> None:
        """Record that the store has all rows of the events before a position."""
        self._note(end, tuple(position for position in self.planned if position > end))

    def _note(self, stored: int, planned: tuple[int, ...]) -> None:
        """Save progress; only in memory if the write fails.

        The store recognises a batch that is repeated because progress was not saved.
        """
        self.stored, self.planned = stored, planned
        try:
            self._file.write(Progress(self._number, stored, planned))
        except OSError as error:
            log.error("old journal's progress is not noted", error=error.strerror)

    def make_room(self) -> None:
        """Delete the stored events. The progress file stays, and with it the end.

        Raises:
            OSError: Something cannot be deleted.
        """
        for segment in self._segments:
            if segment.whole:
                segment.path.unlink(missing_ok=True)
            elif segment.path.exists():
                segment.path.rename(segment.path.with_suffix(DAMAGED))

    def remove(self) -> None:
        """Delete all files; unreadable parts are moved aside.

        Raises:
            OSError: Something cannot be deleted.
        """
        self.make_room()
        (self._directory / PROGRESS).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        for segment in self._segments:
            os.close(segment.descriptor)


def _tell_loss(first: int, end: int) -> int:
    """Log that events are missing; returns their number."""
    if end > first:
        log.critical("old journal misses events", first=first, end=end, events_lost=end - first)
    return max(end - first, 0)

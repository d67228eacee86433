"""A look at a journal's files from outside, also while a server uses them; changes nothing."""

from dataclasses import dataclass
from pathlib import Path

from actors.journal.file_journal import PROGRESS
from actors.journal.opening import DAMAGED
from actors.journal.progress import read_progress
from actors.journal.segment import SUFFIX, DamagedSegmentError, Segment


@dataclass(frozen=True, slots=True)
class JournalFiles:
    """What a journal's directory holds.

    Attributes:
        events: Events whose rows the store has not acknowledged.
        bytes: Of all segments.
        damaged: Files that were put aside, or cannot be read.
    """

    events: int = 0
    bytes: int = 0
    damaged: int = 0


def inspect_journal(directory: Path) -> JournalFiles:
    """Look at a journal; every frame is read.

    Raises:
        OSError: A file cannot be read.
    """
    if not directory.is_dir():
        return JournalFiles()
    progress = read_progress(directory / PROGRESS)
    stored = 0 if progress is None else progress.stored
    events = size = 0
    damaged = len(list(directory.glob(f"*{DAMAGED}")))
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            segment = Segment.open(path)
        except FileNotFoundError:
            continue  # the server has deleted it meanwhile
        except DamagedSegmentError:
            damaged += 1
            continue
        segment.close()
        events += max(segment.end - max(segment.first, stored), 0)
        size += segment.size
    return JournalFiles(events, size, damaged)

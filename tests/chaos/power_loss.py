"""What a power failure does to the log's files."""

from pathlib import Path

from actors.log.note import NOTE, NoteFile
from tests.end_to_end.log_files import runs_of


def lose_unsynced(state: Path) -> int:
    """Cut off what a killed server's log had not noted as synced.

    Returns:
        Number of events that are gone.
    """
    note = NoteFile.read(state / "journal" / NOTE)
    if note is None:
        return 0
    gone = [run for run in runs_of(state) if run.first >= note.synced.position]
    cut: set[Path] = set()
    for run in gone:
        if run.path not in cut:
            cut.add(run.path)
            with run.path.open("r+b") as segment:
                segment.truncate(run.begin)
    return sum(len(run.pages) for run in gone)

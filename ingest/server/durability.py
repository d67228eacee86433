"""What outlasts a process: the journal it begins with, and what it leaves to the next."""

import contextlib
from collections.abc import Iterator

import structlog
import trio

from actors.journal.file_journal import PROGRESS, FileJournal
from actors.journal.journal import Journal, JournalError, MemoryJournal
from actors.journal.journal_keeper import take_snapshot
from actors.journal.recovery import rebuild_sessions, settle_letters, spill_backlog
from actors.journal.session_file import SessionFile
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_directory import LetterDirectory
from actors.pipeline.topology import SPILL_SECONDS, Collector
from ingest.records.row_record import UnknownRecordError
from ingest.server.state_files import StateFiles
from ingest.sessions.open_sessions import OpenSessions
from ingest.settings import Settings

log = structlog.get_logger()


class DurabilityError(Exception):
    """What an earlier process has left cannot be used; the message is for the operator."""


@contextlib.contextmanager
def open_journal(
    settings: Settings, files: StateFiles, open_sessions: OpenSessions
) -> Iterator[Journal]:
    """The journal of the settings, and the visits that were open when the last process ended.

    Args:
        settings: Say which.
        files: Where it is.
        open_sessions: Filled with the visits.

    Raises:
        DurabilityError: What an earlier process has left cannot be used.
    """
    with contextlib.ExitStack() as stack:
        try:
            on_disk = _journal_on_disk(settings, files)
            snapshot = SessionFile(files.sessions).load()
            journal: Journal = on_disk or MemoryJournal()
            stack.callback(journal.close)
            rebuild_sessions(open_sessions, snapshot, journal)
            settle_letters(journal, LetterDirectory(files.dead_letters))
            if on_disk is not None and settings.durability == "memory":
                letters = DeadLetters(files.dead_letters)
                letters.load_at_once()
                events = spill_backlog(on_disk, letters, settings.flush_rows)
                log.info("journal turned off", events_left=events)
                stack.pop_all()
                on_disk.remove()
                journal = MemoryJournal()
        except (OSError, JournalError, UnknownRecordError) as error:
            raise DurabilityError(
                f"the journal in {files.journal} cannot be used: {error}"
            ) from None
        if not journal.durable:
            # Nothing would say that the visits have gone on.
            SessionFile(files.sessions).forget()
        if journal.backlog:
            log.info("journal has events to be stored", events=journal.backlog)
        yield journal


def _journal_on_disk(settings: Settings, files: StateFiles) -> FileJournal | None:
    if settings.durability == "memory" and not (files.journal / PROGRESS).exists():
        return None
    return FileJournal.open(
        files.journal, limit=settings.journal_megabytes * 1_000_000, fsync=settings.journal_fsync
    )


async def hand_over(files: StateFiles, collector: Collector) -> None:
    """Leave the open visits, and the end of the journal, to the next process. Never raises."""
    collector.open_sessions.expire(collector.clock.seconds())
    journal = collector.journal
    try:
        with trio.fail_after(SPILL_SECONDS):
            await journal.secure()
            snapshot = take_snapshot(collector.open_sessions, journal)
            await SessionFile(files.sessions).save(snapshot)
    except (OSError, JournalError, trio.TooSlowError) as error:
        log.error("open visits are not saved", error=str(error) or "the disk hangs")
        return
    if isinstance(journal, FileJournal):
        journal.retire(journal.end)

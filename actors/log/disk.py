"""The thread that syncs a log's files and writes its note."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Self

import trio

from actors.files.atomic import is_full
from actors.log.frames import Stretch
from actors.log.note import NOTE, Note, NoteFile
from actors.log.segment import Segment
from actors.threads.serial_thread import SerialThread

DEADLINE_SECONDS: Final = 30.0
"""How long a sync may take before it is abandoned."""

_HANGING: Final = f"the disk has not answered for {DEADLINE_SECONDS:.0f} s"


class UntrustedDiskError(Exception):
    """Written records may not be durable; the text says why."""


class NotNotedError(Exception):
    """The records are as durable as they should be, but the note was not written."""


class Written(NamedTuple):
    """How much of a segment a sync must cover.

    Attributes:
        segment: The segment.
        size: Its size when the sync was asked for.
    """

    segment: Segment
    size: int


class Request(NamedTuple):
    """The work of a sync.

    Attributes:
        written: The segments written since the last sync.
        note: The note to write.
        names: Whether the directory has new files.
        linked: Segments whose names are to be checked.
        durable: Whether to sync the note, too.
    """

    written: Sequence[Written]
    note: Note
    names: bool
    linked: Sequence[Segment]
    durable: bool


class Disk:
    """A log's directory and its note. Syncs run one after the other, in a thread."""

    def __init__(self, directory: Path, note_file: NoteFile, note: Note, *, syncing: bool) -> None:
        """Own the open files; use `open`."""
        self._directory = directory
        self._syncing = syncing
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._note_file = note_file
        self._note = note
        self._note_synced = True
        self._busy = False
        self._thread = SerialThread("log")

    @classmethod
    def open(cls, directory: Path, note: Note, *, syncing: bool) -> Self:
        """Open or create the note, and write it before anything is appended.

        Args:
            directory: The log's.
            note: The note to write.
            syncing: Whether anything is synced at all.

        Raises:
            OSError: It cannot be written.
        """
        note_file = NoteFile.open(directory / NOTE)
        try:
            note_file.write(note)
            if syncing:
                note_file.sync()
            return cls(directory, note_file, note, syncing=syncing)
        except BaseException:
            note_file.close()
            raise

    async def sync(self, request: Request) -> None:
        """Sync records, then write the note, in one call to the thread.

        Raises:
            UntrustedDiskError: A sync failed, a file is missing, or the disk hangs.
            NotNotedError: The note was not written.
        """
        with trio.move_on_after(DEADLINE_SECONDS) as scope:
            await self._thread.call(partial(self._run, request))
        if scope.cancelled_caught:
            raise UntrustedDiskError(_HANGING)

    async def scan(self, segment: Segment, size: int) -> list[Stretch]:
        """Find the readable frames in a segment's first bytes.

        Raises:
            UntrustedDiskError: The disk does not answer.
            OSError: It cannot be read.
            UnknownRecordError: It is no longer of this version.
        """
        with trio.move_on_after(DEADLINE_SECONDS):
            return await self._thread.call(partial(segment.scan_again, size))
        raise UntrustedDiskError(_HANGING)

    def sync_now(self, request: Request) -> None:
        """Like `sync`, but in this thread, at the end of the process.

        Raises:
            UntrustedDiskError: As above; or a sync that was cancelled is still running.
            NotNotedError: As above.
        """
        if self._busy:
            raise UntrustedDiskError("a sync has not ended")
        self._sync(request)

    def note_unsynced(self, note: Note) -> None:
        """Write the note, for the end of a process whose disk has failed.

        Raises:
            NotNotedError: It is not written. A disk that hangs is not asked.
        """
        if self._busy:
            raise NotNotedError(_HANGING)
        self._write_note(note)

    def close(self) -> None:
        """Close files and thread.

        Files that a hanging sync still uses stay open, so that their descriptors are not reused.
        """
        if not self._busy:
            self._note_file.close()
            os.close(self._descriptor)
        self._thread.close()

    def _run(self, request: Request) -> None:
        self._busy = True
        try:
            self._sync(request)
        finally:
            self._busy = False

    def _sync(self, request: Request) -> None:
        if self._syncing:
            for segment, size in request.written:
                _sync_segment(segment, size)
            if request.names:
                self._sync_directory()
        _check_name(self._directory, self._descriptor)
        _check_name(self._note_file.path, self._note_file.descriptor)
        for segment in request.linked:
            _check_segment(segment)
        if request.note != self._note:
            try:
                self._note_file.write(request.note)
            except OSError as error:
                raise NotNotedError(f"note: {error.strerror}") from None
            self._note = request.note
            self._note_synced = not self._syncing
        if request.durable and not self._note_synced:
            self._sync_note()
            self._note_synced = True

    def _write_note(self, note: Note) -> None:
        try:
            self._note_file.write(note)
        except OSError as error:
            raise NotNotedError(f"note: {error.strerror}") from None
        self._note = note

    def _sync_directory(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise UntrustedDiskError(f"{self._directory.name}: {error.strerror}") from None

    def _sync_note(self) -> None:
        try:
            self._note_file.sync()
        except OSError as error:
            if is_full(error):
                raise NotNotedError(f"note: {error.strerror}") from None
            raise UntrustedDiskError(f"note: {error.strerror}") from None


def _sync_segment(segment: Segment, size: int) -> None:
    try:
        os.fdatasync(segment.descriptor)
    except (OSError, ValueError) as error:
        if segment.deleted:
            return  # meanwhile, because it is no longer needed; its descriptor is closed
        # Also for a full disk: the system does not retry pages that it failed to write.
        reason = error.strerror if isinstance(error, OSError) else error
        raise UntrustedDiskError(f"{segment.path.name}: {reason}") from None
    segment.synced = max(segment.synced, size)


def _check_segment(segment: Segment) -> None:
    try:
        _check_name(segment.path, segment.descriptor)
    except UntrustedDiskError:
        if not segment.deleted:
            raise


def _check_name(path: Path, descriptor: int) -> None:
    """Check that a path still refers to an open file or directory."""
    try:
        linked = os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError as error:
        raise UntrustedDiskError(f"{path.name}: {error.strerror}") from None
    if not linked:
        raise UntrustedDiskError(f"{path.name}: another file has its name")

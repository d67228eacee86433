"""The file of open visits, written without holding the loop up."""

import os
from itertools import chain, islice
from pathlib import Path

import structlog
import trio

from actors.files.atomic import OWNER_ONLY, sync_directory
from ingest.sessions.snapshot import EMPTY, Snapshot, read_snapshot, write_header, write_sessions

log = structlog.get_logger()

SLICE = 500
"""Visits written between two checkpoints: about a millisecond."""

SYNC_SECONDS = 30.0
"""How long a disk may take to have the file, before the attempt is given up."""


class SessionFile:
    """Open visits on disk, for a later process."""

    def __init__(self, path: Path) -> None:
        """Use a file; it is made with mode 0600 when visits are first saved."""
        self._path = path

    def load(self) -> Snapshot:
        """The visits of an earlier process; none when the file is missing or cannot be used.

        Raises:
            OSError: It is there and cannot be read.
        """
        try:
            with self._path.open("rb") as lines:
                return read_snapshot(lines)
        except FileNotFoundError:
            return EMPTY
        except ValueError as error:
            log.error("open visits of the last process are lost", error=str(error))
            return EMPTY

    async def save(self, snapshot: Snapshot) -> None:
        """Keep open visits. A crash leaves the old file or the new one.

        Raises:
            OSError: They cannot be written; the old file is unchanged.
            trio.TooSlowError: The disk hangs; it is the old file or the new one.
        """
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        try:
            with open(descriptor, "wb") as file:  # noqa: ASYNC230 - as short as the slices
                file.write(write_header(snapshot))
                visits = chain(snapshot.sessions, snapshot.past)
                while part := tuple(islice(visits, SLICE)):
                    file.write(write_sessions(part))
                    await trio.lowlevel.checkpoint()
                file.flush()
                with trio.fail_after(SYNC_SECONDS):
                    await trio.to_thread.run_sync(
                        _sync_and_close, os.dup(file.fileno()), abandon_on_cancel=True
                    )
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        # The journal behind these visits may only go once their file has its name for good.
        with trio.fail_after(SYNC_SECONDS):
            await trio.to_thread.run_sync(sync_directory, self._path.parent, abandon_on_cancel=True)

    def forget(self) -> None:
        """Delete the file, which nothing keeps true any more.

        Raises:
            OSError: It cannot be deleted.
        """
        self._path.unlink(missing_ok=True)


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

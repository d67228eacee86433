"""The file of open visits, written without holding the loop up."""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import structlog
import trio

from actors.files import OWNER_ONLY
from ingest.sessions.session import Session
from ingest.sessions.snapshot import EMPTY, Snapshot, read_snapshot, write_header, write_sessions

log = structlog.get_logger()

SLICE = 500
"""Visits written between two checkpoints: about a millisecond."""

SYNC_SECONDS = 30.0
"""How long a disk may take to have the file, before the attempt is given up."""


def load_sessions(path: Path) -> Snapshot:
    """The visits of an earlier process; none when the file is missing or cannot be used.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        with path.open("rb") as lines:
            return read_snapshot(lines)
    except FileNotFoundError:
        return EMPTY
    except ValueError as error:
        log.error("open visits of the last process are lost", error=str(error))
        return EMPTY


async def save_sessions(
    path: Path, sessions: Sequence[Session], journal: str, position: int
) -> None:
    """Keep open visits for a later process. A crash leaves the old file or the new one.

    Args:
        path: The file; made with mode 0600.
        sessions: The visits, which are not changed by anybody; least recently active first.
        journal: The journal's id.
        position: The journal's, up to which they are true.

    Raises:
        OSError: They cannot be written; the old file is unchanged.
        trio.TooSlowError: The disk hangs; the same.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    try:
        with open(descriptor, "wb") as file:  # noqa: ASYNC230 - as short as the slices
            file.write(write_header(journal, position))
            iterator = iter(sessions)
            while part := tuple(islice(iterator, SLICE)):
                file.write(write_sessions(part))
                await trio.lowlevel.checkpoint()
            file.flush()
            with trio.fail_after(SYNC_SECONDS):
                await trio.to_thread.run_sync(
                    _sync_and_close, os.dup(file.fileno()), abandon_on_cancel=True
                )
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

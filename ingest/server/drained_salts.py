"""The salts of a process that was stopped, whose visitors are to keep their ids in a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.files.atomic import StateDirectoryBusyError, locked_directory
from actors.log.inspection import inspect_log
from ingest.engine.salt_agreement import DailySalt
from ingest.engine.salts_file import parse_agreed
from ingest.server.state_files import StateFiles


class NotDrainedError(Exception):
    """The salts cannot be taken; the message is for the operator."""


@contextmanager
def drained_salts(directory: Path) -> Iterator[list[DailySalt]]:
    """Read the salts in the state directory of a single process, or of another cluster's front.

    No server can start from it meanwhile.

    Raises:
        NotDrainedError: A server uses it, its journal has events that are not stored, or there are
            no salts.
    """
    files = StateFiles(directory)
    if not directory.is_dir():
        raise NotDrainedError(f"{directory} is no directory")
    try:
        with locked_directory(directory):
            yield _read(files)
    except StateDirectoryBusyError:
        raise NotDrainedError(
            f"a server runs from {directory}: stop it, so that it stores its events"
        ) from None
    except OSError as error:
        raise NotDrainedError(f"{error.filename or directory}: {error.strerror}") from None


def _read(files: StateFiles) -> list[DailySalt]:
    journal = inspect_log(files.journal)
    if journal.events:
        raise NotDrainedError(
            f"{files.journal} has {journal.events:,} events that are not stored, or not sent: "
            "start its process again until they are, and stop it"
        )
    try:
        return parse_agreed(files.salts.read_text())
    except FileNotFoundError:
        raise NotDrainedError(f"{files.directory} has no salts") from None
    except ValueError as error:
        raise NotDrainedError(f"{files.salts}: {error}") from None

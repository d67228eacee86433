"""What a cluster takes over from a process that was stopped: its salts and its imports."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from actors.files.atomic import StateDirectoryBusyError, locked_directory
from actors.imports.import_files import ImportFiles
from actors.log.inspection import inspect_log
from ingest.engine.salt_agreement import DailySalt
from ingest.engine.salts_file import parse_agreed
from ingest.past.import_state import ImportState
from ingest.server.state_files import StateFiles


class NotDrainedError(Exception):
    """Nothing can be taken over; the message is for the operator."""


class DrainedState(NamedTuple):
    """What is taken over.

    Attributes:
        salts: So that visitors keep their ids.
        imports: The imports that were finished, so that they are not stored again.
    """

    salts: Sequence[DailySalt] = ()
    imports: Sequence[ImportState] = ()


@contextmanager
def drained_state(directory: Path) -> Iterator[DrainedState]:
    """Read the state directory of a single process, or of another cluster's front.

    No server can start from it meanwhile.

    Raises:
        NotDrainedError: A server uses it, its journal has events that are not stored, an import is
            not finished, or there are no salts.
    """
    files = StateFiles(directory)
    if not directory.is_dir():
        raise NotDrainedError(f"{directory} is no directory")
    try:
        with locked_directory(directory):
            yield DrainedState(_salts(files), _imports(files))
    except StateDirectoryBusyError:
        raise NotDrainedError(
            f"a server runs from {directory}: stop it, so that it stores its events"
        ) from None
    except OSError as error:
        raise NotDrainedError(f"{error.filename or directory}: {error.strerror}") from None


def _salts(files: StateFiles) -> list[DailySalt]:
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


def _imports(files: StateFiles) -> list[ImportState]:
    states = list(ImportFiles(files.imports).states())
    for state in states:
        if not state.done:
            raise NotDrainedError(
                f"import {state.id} in {files.imports} is not finished, and a cluster would not "
                "know which of its events are stored: finish it with the same command, or delete "
                "its file"
            )
    return states

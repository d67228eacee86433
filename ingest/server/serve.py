"""Starts a process in its role, and gives its exit code."""

import gc
import sys
from typing import Final

import trio

from actors.files.atomic import StateDirectoryBusyError, locked_directory
from ingest.server.durability import DurabilityError
from ingest.server.roles.all import run_all
from ingest.server.start_files import StartError
from ingest.server.state_files import StateFiles
from ingest.settings import Settings

SWITCH_SECONDS: Final = 0.001
"""The interpreter's switch interval; Python's default of 5 ms delays answers noticeably."""

GARBAGE_OBJECTS: Final = 50_000
"""New objects after which the garbage collector runs. Events leave hardly any cyclic garbage, and
with Python's default of 700 it would run every few events."""


def serve(settings: Settings) -> int:
    """Run the server.

    Returns:
        The process's exit code: 0 after a drain, 70 when actors failed too often, 74 when the log
        could not be trusted.

    Raises:
        StartError: The operator must fix something first.
    """
    files = StateFiles(settings.state_dir)
    try:
        with locked_directory(files.directory):
            # The writer's thread must release the interpreter's lock within a millisecond.
            sys.setswitchinterval(SWITCH_SECONDS)
            gc.set_threshold(GARBAGE_OBJECTS)
            return trio.run(run_all, settings, files)
    except (StateDirectoryBusyError, DurabilityError) as error:
        raise StartError(str(error)) from None
    except PermissionError as error:
        raise StartError(f"SLUICE_STATE_DIR: {error.strerror}: {error.filename}") from None

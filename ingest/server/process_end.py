"""Ends a process in which a thread may still be busy in the store."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def end_process(exit_code: int) -> NoReturn:
    """Flush the log and the output, then end the process at once.

    The interpreter's normal shutdown destroys objects that running threads still use. A call into
    chDB cannot be interrupted: if it outlives the drain, the process would crash with a
    segmentation fault instead of its exit code. Everything must be written and closed before this
    is called; functions registered with `atexit` are not run.

    Args:
        exit_code: The process's exit code.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # A closed stream, or one without a reader, must not change the exit code.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(exit_code)

"""The end of a process in which a thread may still be busy in the store."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def end_process(exit_code: int) -> NoReturn:
    """End the process now, with what was logged and printed written out.

    The interpreter's own end takes things apart under threads that go on. A call into chDB cannot
    be interrupted: one that outlives the drain would then crash the process, and the process
    manager be told of a segmentation fault instead of the exit code. Whatever has to be written or
    closed was, before this is called; functions registered with `atexit` are not run.

    Args:
        exit_code: The process's.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # A reader that is gone, or a stream that was closed, is no reason to end otherwise.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(exit_code)

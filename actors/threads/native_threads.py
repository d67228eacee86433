"""The priority of threads that a library starts by itself, and that never run Python code."""

import os
import threading
from collections.abc import Set
from contextlib import suppress

TASKS = "/proc/self/task"


def lower_native_threads(nice: int, lowered: Set[int] = frozenset()) -> Set[int]:
    """Give a niceness to all threads of this process that are not Python's.

    A thread that may hold the interpreter's lock must keep its priority, because others wait for
    that lock. Does nothing where niceness does not belong to a thread, as outside Linux.

    Args:
        nice: Their niceness, as in `nice(1)`.
        lowered: What the last call returned: threads that have it already.

    Returns:
        The ids of the threads that have it now.
    """
    try:
        found = {int(name) for name in os.listdir(TASKS)}
    except OSError:
        return lowered
    # Listed after the others, so that a thread of Python's which starts meanwhile is among them.
    own = {thread.native_id for thread in threading.enumerate()}
    if None in own:
        # One is starting and has no id yet, so it cannot be told from the others.
        return lowered & found
    native = found - own
    for thread in native - lowered:
        # It may have ended.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, nice)
    return native

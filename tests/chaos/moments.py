"""The moments at which a faulty server can be told to kill itself."""

import signal
from typing import Final

MOMENTS: Final = (
    "before append",
    "after append",
    "after prepare",
    "before insert",
    "after insert",
    "before commit",
    "after commit",
    "before checkpoint",
    "after checkpoint",
    "before retire",
    "after retire",
)
"""Events are appended to the log (append), a batch is cut (prepare), its rows are stored, table by
table (insert), the batch is committed (commit), the fold is saved (checkpoint), and the log deletes
the records before it (retire)."""

SELDOM: Final = frozenset(
    {
        "before commit",
        "after commit",
        "before checkpoint",
        "after checkpoint",
        "before retire",
        "after retire",
    }
)
"""Moments that are rare under load, but occur at a shutdown: a batch is usually committed with the
next one's `prepare`, and a checkpoint is saved once a minute."""

_FIRST: Final = signal.SIGRTMIN + 8
"""The first signal. ClickHouse, which may be in the same process, uses some before it."""


def signal_of(moment: str) -> int:
    """Return the signal that requests a moment."""
    return _FIRST + MOMENTS.index(moment)

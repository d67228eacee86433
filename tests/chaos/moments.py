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
"""Events go into the log (append), a batch is cut (prepare), its rows are stored, table by table
(insert), which is noted (commit), the fold is saved (checkpoint), and the log lets go of what is
before it (retire)."""

SELDOM: Final = frozenset(
    {"before checkpoint", "after checkpoint", "before retire", "after retire"}
)
"""These come once a minute, or with a shutdown."""

_FIRST: Final = signal.SIGRTMIN + 8
"""ClickHouse, which may be in the same process, uses some of the first ones."""


def signal_of(moment: str) -> int:
    """The signal that asks for it."""
    return _FIRST + MOMENTS.index(moment)

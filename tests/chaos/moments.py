"""The moments at which a faulty server can be told to kill itself."""

import signal
from typing import Final

MOMENTS: Final = (
    "before append",
    "after append",
    "after plan",
    "before insert",
    "after insert",
    "before acknowledge",
    "after acknowledge",
    "before retire",
    "after retire",
)
"""Events go to the journal (append), a batch is cut (plan), its rows are stored, table by table
(insert), which is noted (acknowledge), and the journal lets go of them (retire)."""

SELDOM: Final = frozenset({"before retire", "after retire"})
"""These come once a minute, or with a shutdown."""

_FIRST: Final = signal.SIGRTMIN + 8
"""ClickHouse, which may be in the same process, uses some of the first ones."""


def signal_of(moment: str) -> int:
    """The signal that asks for it."""
    return _FIRST + MOMENTS.index(moment)

"""A clock that tests move. Import it before anything that reads the time.

The file that `MOVED_CLOCK` names has the seconds by which the time of day is ahead. Without the
variable, the clock stays. `python -m tests.end_to_end.moved_clock serve` runs Sluice with it.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

VARIABLE = "MOVED_CLOCK"

_real_time = time.time
_TODAY = datetime.now(UTC).date()
"""Stays the same if midnight passes between two moves."""


def move_clock(file: Path, clock: str, *, days: int = 0) -> None:
    """Make it another time of the day (UTC), of today or a number of days later."""
    moved = datetime.fromisoformat(f"{_TODAY}T{clock}+00:00") + timedelta(days=days)
    temporary = file.with_suffix(".new")
    temporary.write_text(str((moved - datetime.now(UTC)).total_seconds()))
    temporary.replace(file)


if VARIABLE in os.environ:
    _file = Path(os.environ[VARIABLE])

    def _moved_time() -> float:
        return _real_time() + float(_file.read_text())

    time.time = _moved_time

if __name__ == "__main__":
    from ingest.cli import main

    main()

"""Runs Sluice with a clock that tests move: `python -m tests.end_to_end.moved_clock serve`.

The file that `MOVED_CLOCK` names has the seconds by which the time of day is ahead.
"""

import os
import time
from pathlib import Path

_FILE = Path(os.environ["MOVED_CLOCK"])
_real_time = time.time


def _moved_time() -> float:
    return _real_time() + float(_FILE.read_text())


if __name__ == "__main__":
    # Before anything takes it for its own.
    time.time = _moved_time

    from ingest.cli import main

    main()

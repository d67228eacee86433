"""Another time of the day for processes while they run, with libfaketime."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.chaos.cluster.faked_time import MISSING, find_library


def require_faketime() -> None:
    """Skip a test if libfaketime is missing."""
    if find_library() is None:
        pytest.skip(MISSING)


class FakedTime:
    """The time of processes that are started with `environment`, also while they run.

    Only the time of day is another one; monotonic clocks, by which processes wait, stay real.
    """

    def __init__(self, file: Path) -> None:
        """Use a file that tells the processes the time."""
        self._file = file

    @property
    def environment(self) -> dict[str, str]:
        """The processes' environment."""
        return {
            "LD_PRELOAD": str(find_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, clock: str, *, days: int = 0) -> None:
        """Set the time, `HH:MM:SS` of today or a number of days later, UTC."""
        at = datetime.fromisoformat(f"{datetime.now(UTC):%F}T{clock}+00:00") + timedelta(days=days)
        temporary = self._file.with_suffix(".new")
        temporary.write_text(f"{at.timestamp() - time.time():+.0f}\n")
        os.replace(temporary, self._file)

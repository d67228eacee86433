"""Another time of day for processes, by libfaketime."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


def _libraries() -> list[Path]:
    return sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def require_faketime() -> None:
    """Skip a test if libfaketime is missing."""
    if not _libraries():
        pytest.skip("no libfaketime on this machine: tests/end_to_end/provide_faketime installs it")


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
            "LD_PRELOAD": str(_libraries()[0]),
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

"""Starts processes at another time of the day, with libfaketime."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

MISSING: Final = "no libfaketime on this machine: Debian's package faketime has it"


def find_library() -> Path | None:
    """Return the library; None if it is missing."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@contextmanager
def faked_time(moment: datetime) -> Iterator[None]:
    """Have all processes that are started in this context take now for another moment.

    Their monotonic clocks stay as they are.
    """
    library = find_library()
    assert library is not None, MISSING
    shift = round((moment - datetime.now(UTC)).total_seconds())
    added = {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{shift:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def next_day(at: time) -> datetime:
    """Return a time of tomorrow, UTC."""
    return datetime.combine(datetime.now(UTC).date() + timedelta(days=1), at, UTC)

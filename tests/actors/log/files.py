"""A log's files, for tests."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from actors.log.file_log import FileLog
from tests.actors.log.records import DESCRIPTION
from tests.examples import NOON

LIMIT = 8_000_000


def open_log(directory: Path, **options: Any) -> FileLog:
    defaults: dict[str, Any] = {
        "description": DESCRIPTION,
        "limit_bytes": LIMIT,
        "fsync": "interval",
        "log_time": NOON,
    }
    return FileLog.open(directory, **(defaults | options))


def kill(log: FileLog) -> None:
    """Close the files as the end of a killed process does: nothing is synced or noted."""
    if not log._closed:
        log._closed = True
        log._segments.close()
        log._syncer._disk.close()


def segment_paths(directory: Path) -> list[Path]:
    return sorted(directory.glob("*-*.journal"))


def aside(directory: Path) -> list[str]:
    """The files that were put aside."""
    return sorted(path.stem for path in directory.glob("*.damaged"))


def flip(path: Path, place: int) -> None:
    """Change a byte; a negative place counts from the end."""
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


def fill_disk(patch: pytest.MonkeyPatch) -> None:
    """What is written in place is taken; nothing else is."""
    pwrite = os.pwrite

    def refuse(descriptor: int, data: bytes, offset: int) -> int:
        if offset + len(data) <= os.fstat(descriptor).st_size:
            return pwrite(descriptor, data, offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr(os, "pwrite", refuse)


def fail_with(code: int) -> Any:
    """Stands for a call to the system that fails."""

    def fail(*arguments: object, **keywords: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail

"""Sessions of chDB: the files and the directory that they need, and who has it open."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.files.open_files import open_files
from actors.stores.refusal import shorten
from actors.stores.store import StoreBusy, StoreMisconfigured

LEAST_FILES = 128
"""Open files below which inserts fail again and again: chDB has three for each of its threads."""

FEW_FILES = 256
"""Open files below which statements do their work in one thread each."""


def check_open_files() -> None:
    """Check that chDB can open the files that it needs.

    Raises:
        StoreMisconfigured: The process may not have so many.
    """
    allowed = open_files()
    if allowed < LEAST_FILES:
        raise StoreMisconfigured(
            f"the embedded store needs {LEAST_FILES} open files, {allowed} are allowed: "
            "raise the limit by ulimit -n, or LimitNOFILE= of systemd"
        )


def prepare_directory(path: Path) -> None:
    """Create the directory, and check that this process can use it.

    Raises:
        StoreBusy: Another process has it open.
        StoreMisconfigured: It cannot be created or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreMisconfigured(f"cannot make the directory {path}: {error.strerror}") from None
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise StoreMisconfigured(f"cannot write to the directory {path}")
    holder = lock_holder(path)
    if holder is not None and holder != str(os.getpid()):
        raise StoreBusy(f"{path} is in use by another process (id {holder})")


def lock_holder(path: Path) -> str | None:
    """The id of the process that has the directory open; None if there is none.

    Checked first, because chDB would only report that it cannot be initialised, also on stderr.

    Raises:
        StoreMisconfigured: The lock cannot be read.
    """
    try:
        with (path / "status").open("r", encoding="utf-8", errors="replace") as status:
            try:
                fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                match = re.search(r"PID: (\d+)", status.read())
                return match[1] if match else "unknown"
    except FileNotFoundError:
        pass  # Never opened yet.
    except OSError as error:
        raise StoreMisconfigured(f"cannot use {path / 'status'}: {error.strerror}") from None
    return None


def open_session(path: Path) -> Any:
    """Open a session of chDB on a directory.

    Raises:
        StoreBusy: Another process has it open.
        StoreMisconfigured: chDB is not installed, or cannot use the directory.
    """
    try:
        with _in_utc():
            from chdb.session import Session

            session: Any = Session(str(path))  # type: ignore[no-untyped-call]
            if open_files() < FEW_FILES:
                session.query("SET max_threads = 1, input_format_parallel_parsing = 0")
            return session
    except ImportError:
        raise StoreMisconfigured(
            "the embedded store is not installed: pip install 'sluice-collector[embedded]', "
            "or set CLICKHOUSE_URL to a ClickHouse server"
        ) from None
    except RuntimeError as error:
        text = str(error)
        if match := re.search(r"already initialized with path '([^']*)'", text):
            raise StoreMisconfigured(
                f"this process already has chDB open in {match[1]}; it cannot open {path} as well"
            ) from None
        # The same process id in another container, or a process that was faster.
        if lock_holder(path) is not None:
            raise StoreBusy(f"{path} is in use by another process") from None
        raise StoreMisconfigured(f"chDB cannot use {path}: {shorten(text)}") from None


@contextmanager
def _in_utc() -> Iterator[None]:
    """Set the environment's time zone to UTC for chDB, so that days and months are in UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before

"""Checks the state directory: permissions, free space, and the data waiting in it."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from actors.files.atomic import StateDirectoryBusyError, locked_directory
from actors.letters.dead_letters import DeadLetters
from actors.log.inspection import inspect_log
from ingest.check.report import CheckResult, ok, problem, warning
from ingest.server.state_files import StateFiles
from ingest.sessions import salts
from ingest.settings import Settings

_OTHERS: Final = 0o077
_VOLATILE: Final = {
    "tmpfs": "it is in memory: a restart of the machine empties it",
    "ramfs": "it is in memory: a restart of the machine empties it",
    "overlay": "it is a container's own layer: it goes with the container",
}
_MEGABYTE: Final = 1_000_000

MOUNTS: Final = Path("/proc/self/mounts")
"""Which file systems there are (proc(5))."""


def check_state(settings: Settings, now: float) -> Iterator[CheckResult]:
    """Check the directory; create it if absent, as the server does.

    Args:
        settings: Say where it is and how much may be kept.
        now: Unix seconds.
    """
    files = StateFiles(settings.state_dir)
    directory = files.directory
    if not directory.exists():
        yield from _absent(directory)
        return
    if not directory.is_dir() or not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        yield problem(
            f"{directory}: cannot be written by this user",
            f"chown it to the user that runs Sluice (this is {os.geteuid()}), or set "
            "SLUICE_STATE_DIR",
        )
        return
    yield from _modes(directory)
    yield _server_result(files)
    yield from _volatile(directory)
    yield from _salts(files.salts, now)
    yield from _journal(settings, files)
    yield from _letters(files)


def server_pid(files: StateFiles) -> int | None:
    """The id of the process that serves from this directory; None when none does."""
    if not files.directory.is_dir() or not (files.directory / "lock").exists():
        return None
    try:
        with locked_directory(files.directory):
            return None
    except OSError:
        return None
    except StateDirectoryBusyError:
        pass
    try:
        return int(json.loads(files.server.read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # It has not written its process id yet.


def _absent(directory: Path) -> Iterator[CheckResult]:
    try:
        directory.mkdir(mode=0o700, parents=True)
    except OSError as error:
        yield problem(
            f"{directory}: cannot be made: {error.strerror}",
            "make it for the user that runs Sluice, or set SLUICE_STATE_DIR",
        )
    else:
        yield ok(f"{directory}: made, mode 0700")


def _modes(directory: Path) -> Iterator[CheckResult]:
    about = directory.stat()
    mode = stat.S_IMODE(about.st_mode)
    text = f"{directory}: writable, owner {about.st_uid}, mode {mode:04o}"
    if about.st_uid not in (os.geteuid(), 0):
        yield warning(text, "it belongs to another user, who can replace what is in it")
    elif mode & _OTHERS:
        yield warning(text, f"others can look into it: chmod 700 {directory}")
    else:
        yield ok(text)
    open_to_others = sorted(
        path.name
        for path in directory.iterdir()
        if path.is_file() and path.stat().st_mode & _OTHERS
    )
    if open_to_others:
        yield warning(
            f"others can read {', '.join(open_to_others)}", f"chmod 600 them in {directory}"
        )


def _server_result(files: StateFiles) -> CheckResult:
    pid = server_pid(files)
    if pid is None:
        return ok("no server is running from it")
    return ok(f"in use by the running server{f' (process {pid})' if pid else ''}")


def _volatile(directory: Path) -> Iterator[CheckResult]:
    kind = _file_system(directory)
    if kind in _VOLATILE:
        yield warning(
            f"{_VOLATILE[kind]}, and with it salts, open visits and events not yet stored",
            "set SLUICE_STATE_DIR to a volume that stays",
        )


def _file_system(directory: Path) -> str:
    """The kind of the file system that a directory is on; empty where the system does not say."""
    try:
        mounts = MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    where = str(directory.resolve())
    found = ("", "")
    for line in mounts:
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        inside = point == "/" or where == point or where.startswith(f"{point}/")
        if inside and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]


def _salts(path: Path, now: float) -> Iterator[CheckResult]:
    try:
        found = salts.parse(path.read_text())
    except FileNotFoundError:
        if shutil.disk_usage(path.parent).free:
            yield ok("no salts yet: the start makes one")
        else:
            yield problem(
                "no salts yet, and no room on the disk for them",
                "make room, or set SLUICE_STATE_DIR to a disk with room",
            )
        return
    except (OSError, ValueError) as error:
        yield problem(
            f"{path}: {error}",
            "restore it; or the start keeps it aside, and visitors have new ids from then on",
        )
        return
    age = (now - found.current.created_at) / 3600
    made = datetime.fromtimestamp(found.current.created_at, UTC)
    if age < 0:
        yield warning(
            f"the salt was made in the future, {made:%Y-%m-%d %H:%M} UTC",
            "see that the system's clock is right",
        )
    elif salts.rotation_due(found, now):
        yield ok(f"the salt is {age:.0f} hours old: the next start replaces it")
    else:
        yield ok(f"the salt was made {age:.0f} hours ago; the next comes at midnight UTC")


def _journal(settings: Settings, files: StateFiles) -> Iterator[CheckResult]:
    limit = settings.journal_megabytes * _MEGABYTE
    try:
        found = inspect_log(files.journal)
    except OSError as error:
        yield problem(
            f"the journal cannot be read: {error.strerror}", f"see who owns {files.journal}"
        )
        return
    if settings.durability == "journal" or found.events:
        text = (
            f"journal: {found.events} events wait for the store, "
            f"{found.bytes / _MEGABYTE:.1f} of {settings.journal_megabytes} MB used"
        )
        if found.bytes > limit // 2:
            yield warning(
                text, "see why the store does not take them; beyond the limit events get 503"
            )
        else:
            yield ok(text)
    if found.damaged:
        yield warning(
            f"{found.damaged} damaged files of the journal were put aside",
            f"look at *.damaged in {files.journal}, then remove them",
        )
    free, needed = shutil.disk_usage(files.directory).free, max(limit - found.bytes, 0)
    text = f"{free / _MEGABYTE:,.0f} MB are free on the disk"
    if settings.durability == "journal" and free < needed:
        yield warning(
            f"{text}, the journal may need {needed / _MEGABYTE:,.0f} more",
            "make room, or set SLUICE_JOURNAL_MEGABYTES lower",
        )
    else:
        yield ok(text)


def _letters(files: StateFiles) -> Iterator[CheckResult]:
    letters = DeadLetters(files.dead_letters)
    try:
        letters.load_at_once()
    except OSError as error:
        yield problem(
            f"dead letters cannot be read: {error.strerror}", f"see who owns {files.dead_letters}"
        )
        return
    count, marked = len(letters), len(letters.to_redrive())
    if letters.full:
        yield warning(
            f"{count} dead letters, {letters.bytes / _MEGABYTE:.0f} MB: readiness is red",
            "look at them: sluice dead-letters list, then replay or drop them",
        )
    elif count > marked:
        yield warning(
            f"{count} dead letters, {marked} of them to be put back",
            "look at them: sluice dead-letters list, then replay or drop them",
        )
    elif count:
        yield ok(f"{count} dead letters, all to be put back by the server")
    else:
        yield ok("no dead letters")

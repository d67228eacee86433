"""Watches a file and reloads it when it has changed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog
import trio

from actors.supervision.actor import Actor

log = structlog.get_logger()

POLL_SECONDS = 1.0
"""A change must be applied within 2 seconds, so this leaves time to read the file."""

Loaded = TypeVar("Loaded")

_Stamp = tuple[int, int, int]


def stamp(path: Path) -> _Stamp | None:
    """Identifies a state of a file; None if the file cannot be found."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class FileWatcher(Actor, Generic[Loaded]):
    """The actor that owns a file's last known state.

    Receives and sends nothing. When the file has changed, it is read in a worker thread, and the
    result is put in place between two checkpoints. If the file cannot be read, the old content
    stays, and `problem` and the log say why. A restart checks the file again.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        load: Callable[[Path], Loaded],
        replace: Callable[[Loaded], None],
        *,
        mistakes: tuple[type[Exception], ...],
        known: tuple[int, int, int] | None,
    ) -> None:
        """Watch one file.

        Args:
            name: The actor's name.
            path: The file.
            load: Reads it; runs in a thread.
            replace: Puts the result in place.
            mistakes: The exceptions of `load` for an invalid or missing file.
            known: The file's `stamp` from before it was first read.
        """
        self.name = name
        self.problem: str | None = None
        self._path = path
        self._load = load
        self._replace = replace
        self._mistakes = mistakes
        self._known = known

    def status(self) -> dict[str, object]:
        """The readiness report of the file.

        It has the modification time of the last checked state, in Unix nanoseconds. The command
        line waits for it after an edit. This state is in use unless there is a `reason`.
        """
        written = {"file_written_ns": None if self._known is None else self._known[0]}
        if self.problem is None:
            return {"status": "ok", **written}
        return {"status": "degraded", "reason": self.problem, **written}

    async def run(self) -> None:
        """Check the file forever."""
        while True:
            await trio.sleep(POLL_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Read the file if it has changed since the last check."""
        found = stamp(self._path)
        if found == self._known:
            return
        try:
            loaded = await trio.to_thread.run_sync(self._load, self._path)
        except self._mistakes as mistake:
            self.problem = str(mistake)
            log.error("file refused, the old content stays", actor=self.name, error=str(mistake))
        else:
            self.problem = None
            self._replace(loaded)
            log.info("file taken over", actor=self.name, path=str(self._path))
        self._known = found

    def failed(self, error: Exception) -> None:
        """Do not read this state of the file again; wait for the next change."""
        self.problem = f"unexpected {type(error).__name__}"
        self._known = stamp(self._path)

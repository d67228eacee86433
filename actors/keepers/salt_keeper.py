"""Keeps the salts: on disk, rotated at midnight UTC, deleted after 48 hours."""

from pathlib import Path

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.files.atomic import write_state
from actors.supervision.actor import Actor
from ingest.pipeline.reference import Reference
from ingest.sessions import salts
from ingest.sessions.salts import Salts

log = structlog.get_logger()

RETRY_SECONDS = 10.0
"""How long to wait before salts are written again that could not be."""


def load_salts(path: Path, now: float) -> Salts:
    """The salts to start with; the file holds them from here on.

    Args:
        path: The state file.
        now: Unix seconds.

    Raises:
        ValueError: The file is not ours; starting with other salts would split every open visit.
        OSError: It cannot be read or written.
    """
    try:
        saved = salts.parse(path.read_text())
    except FileNotFoundError:
        saved = None
    current = salts.start(saved, salts.fresh_key(), now)
    if current != saved:
        write_state(path, salts.serialise(current).encode(), durable=True)
    return current


class SaltKeeper(Actor):
    """The actor that owns the salts' file.

    Receives and sends nothing. At midnight UTC it puts a new salt in place; the old one becomes the
    previous, and what was previous is gone from memory and disk. While the file cannot be written
    the old salts stay in force, but no longer than a salt may live; after that new ones are in
    memory only. A restart waits for the next midnight, or rotates at once when the last was missed.
    """

    name = "salts"

    def __init__(self, path: Path, reference: Reference, clock: Clock) -> None:
        """Own the file.

        Args:
            path: The state file.
            reference: Where the salts are put in place.
            clock: The pipeline's time.
        """
        self._path = path
        self._reference = reference
        self._clock = clock
        self._written = True

    async def run(self) -> None:
        """Rotate for ever."""
        while True:
            now = self._clock.now()
            if salts.rotation_due(self._reference.salts, now) or not self._written:
                self._rotate(now)
            if self._written:
                await self._clock.sleep_until(salts.next_rotation(now))
            else:
                await trio.sleep(RETRY_SECONDS)

    def _rotate(self, now: float) -> None:
        rotated = old = self._reference.salts
        if salts.rotation_due(old, now):
            rotated = salts.rotate(old, salts.fresh_key(), now)
        try:
            # On disk first: a salt in use that a crash would lose splits every visit it has made.
            write_state(self._path, salts.serialise(rotated).encode(), durable=True)
        except OSError as error:
            if self._written:
                log.error("salts cannot be written", error=error.strerror)
            self._written = False
            if not salts.outlived(old, now):
                return
        else:
            self._written = True
            log.info("salts rotated")
        self._reference.salts = rotated

"""Keeps the salts: on disk, rotated at midnight UTC, deleted after 48 hours."""

from pathlib import Path

import structlog

from actors.actor import Actor
from actors.clock import Clock
from actors.files import write_atomically
from ingest.pipeline.reference import Reference
from ingest.sessions import salts
from ingest.sessions.salts import Salts

log = structlog.get_logger()


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
        write_atomically(path, salts.serialise(current).encode(), durable=True)
    return current


class SaltKeeper(Actor):
    """The actor that owns the salts' file.

    Receives and sends nothing. At midnight UTC it puts a new salt in place; the old one becomes the
    previous, and what was previous is gone from memory and disk. A restart waits for the next
    midnight, or rotates at once when the last was missed.
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

    async def run(self) -> None:
        """Rotate for ever."""
        while True:
            now = self._clock.now()
            if salts.rotation_due(self._reference.salts, now):
                self._rotate(now)
            await self._clock.sleep_until(salts.next_rotation(now))

    def _rotate(self, now: float) -> None:
        rotated = salts.rotate(self._reference.salts, salts.fresh_key(), now)
        # On disk first: a salt in use that a crash would lose splits every visit it has made.
        write_atomically(self._path, salts.serialise(rotated).encode(), durable=True)
        self._reference.salts = rotated
        log.info("salts rotated")

"""Keeps the salts: on disk, rotated at midnight UTC, deleted after 48 hours."""

from collections.abc import Callable
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

DAMAGED = ".damaged"
"""Suffix of a file that was moved aside. It may hold a salt, so it is deleted like one."""

RECHECK_SECONDS = 60.0
"""Interval at which the keeper checks the clock, which may have stepped back."""

RETRY_SECONDS = 10.0
"""Delay before a failed write of the salts is retried."""


ChooseSalts = Callable[[Salts | None, bytes, float], Salts]
"""Chooses the salts in force, as `ingest.sessions.salts.start` does: from those so far, the key of
a new one, and the time in Unix seconds."""


def load_salts(path: Path, now: float, choose: ChooseSalts = salts.start) -> Salts:
    """Load the salts to start with, and save them to the file.

    A file without valid salts is moved aside, and new salts are created.

    Args:
        path: The state file.
        now: Unix seconds.
        choose: Chooses the salts in force.

    Raises:
        OSError: It cannot be read or written.
    """
    saved = None
    try:
        saved = salts.parse(path.read_text())
    except FileNotFoundError:
        pass
    except ValueError as error:
        keep_aside(path, error)
    current = choose(saved, salts.fresh_key(), now)
    if current != saved:
        write_state(path, salts.serialise(current).encode(), durable=True)
    return current


def keep_aside(path: Path, error: ValueError) -> None:
    """Move a damaged file aside.

    Raises:
        OSError: It cannot be moved.
    """
    aside = path.with_suffix(DAMAGED)
    path.replace(aside)
    log.critical(
        "salts are damaged, visitors have new ids from now on",
        error=str(error),
        kept_as=str(aside),
        advice="to keep the ids, stop the server and put a good copy in its place; "
        "the damaged file is deleted after 48 hours",
    )


def delete_aside(path: Path, now: float) -> None:
    """Delete a damaged file that may hold an old salt."""
    aside = path.with_suffix(DAMAGED)
    try:
        if now - aside.stat().st_mtime > salts.LIFETIME:
            aside.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        log.error("damaged salts cannot be deleted", error=error.strerror)


class SaltKeeper(Actor):
    """The actor that owns the salts' file.

    Receives and sends nothing. At midnight UTC it creates a new salt, or it takes Plausible's when
    there is a new one. The old one becomes the previous, and the previous one is deleted from
    memory and disk. While the file cannot be written, the old salts stay in use until they are too
    old; after that new ones exist only in memory. A restart waits for the next midnight, or rotates
    at once if a rotation was missed.
    """

    name = "salts"

    def __init__(
        self,
        path: Path,
        reference: Reference,
        clock: Clock,
        choose: ChooseSalts = salts.start,
        check_seconds: float = RECHECK_SECONDS,
    ) -> None:
        """Own the file.

        Args:
            path: The state file.
            reference: Where the salts are put in place.
            clock: The pipeline's time.
            choose: Chooses the salts in force.
            check_seconds: Interval at which it chooses again, besides midnight.
        """
        self._path = path
        self._reference = reference
        self._clock = clock
        self._choose = choose
        self._check_seconds = check_seconds
        self._written = True

    async def run(self) -> None:
        """Rotate forever."""
        while True:
            now = self._clock.now()
            chosen = self._choose(self._reference.salts, salts.fresh_key(), now)
            if chosen != self._reference.salts or not self._written:
                self._put(chosen, now)
            delete_aside(self._path, now)
            with trio.move_on_after(self._check_seconds if self._written else RETRY_SECONDS):
                await self._clock.sleep_until(salts.next_rotation(now))

    def _put(self, chosen: Salts, now: float) -> None:
        old = self._reference.salts
        try:
            # On disk first: if a crash lost a salt in use, all sessions made with it would be
            # split.
            write_state(self._path, salts.serialise(chosen).encode(), durable=True)
        except OSError as error:
            if self._written:
                log.error("salts cannot be written", error=error.strerror)
            self._written = False
            if not salts.outlived(old, now):
                chosen = salts.expire(old, now)
        else:
            self._written = True
            if chosen.current != old.current:
                log.info("salts rotated")
        self._reference.salts = chosen

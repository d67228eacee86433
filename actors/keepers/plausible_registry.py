"""Follows the sites and salts in Plausible's PostgreSQL."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.files.atomic import write_atomically
from actors.keepers.file_watcher import stamp
from actors.supervision.actor import Actor
from actors.threads.serial_thread import SerialThread
from ingest.plausible import saved_data
from ingest.plausible.followed_sites import FollowedSites, followed_sites
from ingest.plausible.postgres import PlausibleError
from ingest.plausible.salts import follow, rotates, salts_in_force
from ingest.plausible.tables import PlausibleData
from ingest.plausible.wanted_sites import MadeSites
from ingest.sessions.salts import Salts
from ingest.sites.site import SiteRegistry
from ingest.sites.site_file import SitesFileError, read_sites

log = structlog.get_logger()

POLL_SECONDS: Final = 2.0
"""A change must be applied within 5 seconds, so this leaves time to read and combine."""

REST: Final = 3
"""After a change, the next poll waits for at least this many times as long as the change took."""

FULL_SECONDS: Final = 300.0
"""Interval at which everything is read, whether or not a change was found."""

SALTS_SECONDS: Final = 1.0
"""Interval at which the keeper of the salts asks for Plausible's."""

READ_SECONDS: Final = 60.0
"""How long one reading may take."""

PAUSE_SECONDS: Final = 60.0
"""Delay after an unexpected error, which is likely to happen again."""


class PlausibleReading(Protocol):
    """What the actor needs of a `PlausibleReader`."""

    def read_changes(self, *, everything: bool = False) -> PlausibleData | None:
        """See `PlausibleReader.read_changes`."""

    def interrupt(self) -> None:
        """See `PlausibleReader.interrupt`."""

    def close(self) -> None:
        """See `PlausibleReader.close`."""


def saved_plausible(path: Path, error: PlausibleError) -> PlausibleData:
    """Return the data that was last read, because the database cannot be read now.

    Args:
        path: The state file.
        error: Why the database cannot be read.

    Raises:
        PlausibleError: Nothing usable was saved.
    """
    try:
        return saved_data.parse(path.read_bytes())
    except FileNotFoundError:
        raise error from None
    except (OSError, ValueError) as problem:
        raise PlausibleError(f"{error}; {path}: {problem}", error.advice) from None


def read_local_sites(path: Path | None) -> SiteRegistry:
    """Read the local sites file; without one there are no sites.

    Raises:
        SitesFileError: It cannot be used.
    """
    return SiteRegistry() if path is None else read_sites(path)


class PlausibleRegistry(Actor):
    """The actor that owns the connection to Plausible's PostgreSQL, and what was read there.

    Receives and sends nothing. It asks every few seconds whether anything has changed, and then
    reads everything in a worker thread. The sites, combined with those of the local file, are put
    in place between two checkpoints, and Plausible's data is saved for a start without the
    database. While the database or the local file cannot be read, what was read before stays, and
    the log and `status` say why. A restart asks again.

    Attributes:
        sites: Plausible's sites, combined with those of the local file.
    """

    name = "plausible"

    def __init__(
        self, reader: PlausibleReading, saved: Path, local: Path | None, clock: Clock
    ) -> None:
        """Read nothing yet.

        Args:
            reader: Reads the database; closed by the actor.
            saved: The state file.
            local: The local sites file; None if there is none.
            clock: The pipeline's time.
        """
        self.sites = SiteRegistry()
        self._reader = reader
        self._saved_path = saved
        self._local_path = local
        self._clock = clock
        self._thread = SerialThread("plausible")
        self._take: Callable[[SiteRegistry], None] = lambda sites: None
        self._data = PlausibleData(())
        self._saved: PlausibleData | None = None
        self._local = SiteRegistry()
        self._local_stamp = None if local is None else stamp(local)
        self._made: MadeSites = {}
        self._not_usable = 0
        self._read_at: float | None = None
        self._full_at = 0.0
        self._delay = POLL_SECONDS
        self._problem: str | None = None
        self._local_problem: str | None = None
        self._unsaved: str | None = None

    async def load(self) -> None:
        """Read the local file and the database, or what was saved; call it before `run`.

        Raises:
            SitesFileError: The local file cannot be used. The actor is closed.
            PlausibleError: The database cannot be read, and nothing was saved. The actor is closed.
        """
        try:
            await self._load()
        except (SitesFileError, PlausibleError):
            self.close()
            raise

    async def _load(self) -> None:
        self._local = await self._thread.call(partial(read_local_sites, self._local_path))
        with suppress(PlausibleError):
            self._data = await self._thread.call(
                partial(saved_plausible, self._saved_path, PlausibleError("nothing is saved"))
            )
        try:
            data = await self._read()
        except PlausibleError as error:
            data = await self._thread.call(partial(saved_plausible, self._saved_path, error))
            self._saved = data
            self._fail(str(error))
        if data is not None:
            await self._combine(data)
            await self._save()

    def attach(self, take: Callable[[SiteRegistry], None]) -> None:
        """Call a function with the sites after each change."""
        self._take = take

    def choose_salts(self, salts: Salts | None, key: bytes, now: float) -> Salts:
        """Choose the salts in force, as `ingest.plausible.salts.follow`."""
        return follow(salts, self.plausible_salts(now), key, now)

    def plausible_salts(self, now: float) -> Salts | None:
        """Plausible's salts; None if they are not known."""
        return salts_in_force(self._data.salts, now)[0]

    async def run(self) -> None:
        """Follow the database forever."""
        while True:
            await trio.sleep(self._delay)
            self._delay = POLL_SECONDS
            await self.look()

    async def look(self) -> None:
        """Put in place what has changed in the database or in the local file."""
        started = trio.current_time()
        changed = await self._read_local()
        data = None
        try:
            data = await self._read()
        except PlausibleError as error:
            self._fail(str(error))
        if data is not None or changed:
            await self._combine(self._data if data is None else data)
            self._delay = max(POLL_SECONDS, REST * (trio.current_time() - started))
        if data is not None or self._unsaved is not None:
            await self._save()

    async def _read(self) -> PlausibleData | None:
        """Read the database; None if nothing has changed."""
        now = trio.current_time()
        everything = now >= self._full_at
        old = self._data if self._read_at is not None else None

        def read() -> PlausibleData | None:
            data = self._reader.read_changes(everything=everything)
            if data is not None and not data.sites and self._data.sites:
                # It is being restored, or is another one. All events would be dropped.
                raise PlausibleError("Plausible's PostgreSQL has no sites any more")
            return None if data == old else data

        async def interrupt() -> None:
            self._reader.interrupt()

        data = None
        with trio.move_on_after(READ_SECONDS) as limit:
            data = await self._thread.call(read, interrupt)
        if limit.cancelled_caught:
            raise PlausibleError(
                f"Plausible's PostgreSQL has not answered within {READ_SECONDS:g} s",
                "check its load, and what locks its tables (pg_locks)",
            )
        if everything:
            self._full_at = now + FULL_SECONDS
        if self._problem is not None:
            log.info("Plausible's PostgreSQL is read again")
        self._problem = None
        self._read_at = self._clock.now()
        return data

    async def _read_local(self) -> bool:
        """Read the local file if it has changed; return whether its sites have."""
        if self._local_path is None:
            return False
        found = stamp(self._local_path)
        if found == self._local_stamp:
            return False
        try:
            local = await self._thread.call(partial(read_local_sites, self._local_path))
        except SitesFileError as mistake:
            log.error("file refused, the old content stays", actor=self.name, error=str(mistake))
            self._local_problem, self._local_stamp = str(mistake), found
            return False
        self._local, self._local_problem, self._local_stamp = local, None, found
        return True

    async def _combine(self, data: PlausibleData) -> None:
        followed: FollowedSites = await self._thread.call(
            partial(followed_sites, data, self._local, self._made)
        )
        self._take(followed.registry)
        self._data, self.sites = data, followed.registry
        log.info("sites taken over", source="PostgreSQL", sites=len(self.sites))
        left_out = len(followed.not_usable)
        if left_out and left_out != self._not_usable:
            # The lines themselves may have addresses.
            log.warning(
                "settings of Plausible are left out",
                settings=left_out,
                advice="`sluice check` lists them",
            )
        self._not_usable = left_out

    async def _save(self) -> None:
        data = self._data
        if data == self._saved:
            return
        try:
            await self._thread.call(
                lambda: write_atomically(self._saved_path, saved_data.serialise(data), durable=True)
            )
        except OSError as error:
            if self._unsaved is None:
                log.error("Plausible's sites cannot be saved", error=error.strerror)
            self._unsaved = f"{self._saved_path} cannot be written: {error.strerror}"
        else:
            self._saved, self._unsaved = data, None

    def _fail(self, problem: str) -> None:
        if problem != self._problem:
            log.error("Plausible's PostgreSQL cannot be read", error=problem)
        self._problem = problem
        self._full_at = 0.0

    def failed(self, error: Exception) -> None:
        """Wait before everything is read again."""
        self._problem = f"unexpected {type(error).__name__}"
        self._full_at = 0.0
        self._delay = PAUSE_SECONDS

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._thread.close(self._reader.close)

    def status(self) -> dict[str, object]:
        """The readiness report of the sites and of Plausible's salts.

        It has the modification time of the local file's last checked state, as a `FileWatcher` has.
        """
        report: dict[str, object] = {"status": "ok", "source": "postgres"}
        if self._local_path is not None:
            report["file_written_ns"] = self._local_stamp and self._local_stamp[0]
        reasons = [*self._reasons()]
        if reasons:
            report |= {"status": "degraded", "reason": "; ".join(reasons)}
        return report

    def _reasons(self) -> list[str]:
        reasons = []
        if self._problem is not None:
            since = "before this start" if self._read_at is None else _minute(self._read_at)
            reasons.append(f"{self._problem} (last read {since})")
        if self._local_problem is not None:
            reasons.append(self._local_problem)
        if self._unsaved is not None:
            reasons.append(self._unsaved)
        now = self._clock.now()
        salts = self.plausible_salts(now)
        if not rotates(salts, now):
            known = "Plausible's salts are not known"
            if salts is not None:
                known = f"Plausible has made no salt since {_minute(salts.current.created_at)}"
            reasons.append(f"{known}: Sluice makes its own meanwhile")
        return reasons


def _minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"

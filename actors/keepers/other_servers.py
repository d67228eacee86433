"""Warns when another server writes to the same database."""

import math
from collections.abc import Mapping

import structlog
import trio

from actors.stores.store import Store, StoreError
from actors.supervision.actor import Actor
from ingest.rows.servers import BEAT_SECONDS, SILENT_SECONDS, Server, others_beside

log = structlog.get_logger()

ADVICE = "run one server per database; for several see docs/cluster.md"


class OtherServers(Actor):
    """The actor that tells the other servers of a database of this one, and looks for them.

    Receives and sends nothing. Two servers that write to one database count a visitor who reaches
    both twice. While the store cannot be asked, what was last known stays. A restart continues, one
    interval after the last attempt.
    """

    name = "other_servers"

    def __init__(self, store: Store, server: Server) -> None:
        """Look for others of this server.

        Args:
            store: Where it writes.
            server: What the others are told.
        """
        self._store = store
        self._server = server
        self._others: Mapping[str, Server] = {}
        self._due = -math.inf
        self._beating_since: float | None = None

    async def run(self) -> None:
        """Beat and look forever."""
        while True:
            await trio.sleep_until(self._due)
            self._due = trio.current_time() + BEAT_SECONDS
            await self._look()

    async def _look(self) -> None:
        try:
            await self._store.beat(self._server)
            seen = await self._store.servers()
        except StoreError as error:
            # The writer reports outages, and `sluice check` a lack of rights.
            log.debug("other servers are not looked for", error=str(error))
            self._beating_since = None
            return
        now = trio.current_time()
        if self._beating_since is None:
            self._beating_since = now
        found = {other.directory: other for other in others_beside(self._server, seen or ())}
        if now - self._beating_since < SILENT_SECONDS:
            # After an outage the others may not have beaten yet.
            found = {**self._others, **found}
        for directory in found.keys() - self._others.keys():
            log.warning(
                "another server writes to this database",
                server=found[directory].name,
                role=found[directory].role,
                advice=ADVICE,
            )
        for directory in self._others.keys() - found.keys():
            log.info(
                "another server no longer writes to this database",
                server=self._others[directory].name,
            )
        self._others = found

    def status(self) -> dict[str, object]:
        """This part of the readiness report."""
        if not self._others:
            return {"status": "ok", "count": 0}
        names = ", ".join(sorted(server.name for server in self._others.values()))
        return {
            "status": "degraded",
            "count": len(self._others),
            "reason": f"this database is also written by {names}",
        }

    def figures(self) -> dict[str, float]:
        """The gauge of this part."""
        return {"sluice_other_servers": len(self._others)}

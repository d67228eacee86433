"""Where a front sends the events of imports: through its outbox to Kafka."""

from typing import Final

from actors.clock.wall_clock import Clock
from actors.cluster.forwarder import Forwarder
from actors.imports.destination import LogDestination
from actors.log.log import WritableLog
from ingest.engine.cluster import Cluster

ROOM_EVENTS: Final = 2_048
"""Number of events that may wait for Kafka while past events are appended, so that live events do
not wait long behind them. It is more than is on its way when the brokers answer in a tenth of a
second."""


class OutboxDestination(LogDestination):
    """The outbox of a front. Events are kept when Kafka has them; workers store them.

    There is room while few events wait for Kafka, and the workers are not behind.
    """

    note = "Kafka has all events. Workers store them, and know how many visits they make."

    def __init__(
        self, outbox: WritableLog, forwarder: Forwarder, cluster: Cluster, clock: Clock
    ) -> None:
        """Use a running pipeline.

        Args:
            outbox: Where events are appended.
            forwarder: Sends them.
            cluster: Tells how far the workers are.
            clock: Gives the log's time.
        """
        super().__init__(outbox, clock)
        self._forwarder = forwarder
        self._cluster = cluster

    @property
    def has_room(self) -> bool:
        """See `Destination.has_room`."""
        return self._forwarder.backlog < ROOM_EVENTS and not self._cluster.late

    @property
    def waits(self) -> bool:
        """See `Destination.waits`: also if what was appended cannot be sent."""
        return not self.has_room or self._forwarder.trouble is not None

    async def ready(self) -> None:
        """See `Destination.ready`: there are no figures."""

    async def keep(self) -> None:
        """See `Destination.keep`."""
        await self._forwarder.wait_acknowledged(self._log.end.position)

    async def store(self) -> None:
        """See `Destination.store`."""
        await self.keep()

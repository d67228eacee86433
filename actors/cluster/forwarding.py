"""The back half of a front: sends its log to Kafka."""

from collections.abc import Sequence

from actors.cluster.control import Control
from actors.cluster.forwarder import Forwarder
from actors.cluster.salt_agreement import SaltAgreementKeeper
from actors.log.log import WritableLog
from actors.pipeline.back_half import BackHalf
from actors.supervision.actor import Actor
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.readiness import worst_state


class Forwarding(BackHalf):
    """The forwarder of the log, and what a front shares with its cluster."""

    def __init__(
        self,
        outbox: WritableLog,
        forwarder: Forwarder,
        control: Control,
        salts: SaltAgreementKeeper,
        metrics: Metrics,
    ) -> None:
        """Own the actors.

        Args:
            outbox: The log.
            forwarder: Sends it.
            control: Tells the cluster of this front, and follows it.
            salts: Agrees on salts with the other fronts.
            metrics: Show the parts' figures.
        """
        self._outbox = outbox
        self._forwarder = forwarder
        self._control = control
        self._salts = salts
        self.stages: Sequence[Actor] = (forwarder,)
        self.keepers: Sequence[Actor] = (salts, control)
        for part in (self.figures, forwarder.figures, control.figures):
            metrics.show(part)

    @property
    def accepting(self) -> bool:
        """See `BackHalf.accepting`: there is a salt, and Kafka answers if answers depend on it."""
        return self._forwarder.accepting and self._salts.accepting

    @property
    def backlog(self) -> int:
        """See `BackHalf.backlog`: events that Kafka has not acknowledged."""
        return self._forwarder.backlog

    async def leave_rest(self) -> None:
        """See `BackHalf.leave_rest`: it stays in the log."""
        await self._forwarder.leave()
        await self._control.leave()

    def status(self) -> dict[str, dict[str, object]]:
        """See `BackHalf.status`."""
        parts = (self._forwarder.status(), self._salts.status(), self._control.status())
        reasons = [str(part["reason"]) for part in parts if "reason" in part]
        cluster: dict[str, object] = {}
        for part in parts:
            cluster |= part
        cluster["status"] = worst_state(parts)
        if reasons:
            cluster["reason"] = "; ".join(reasons)
        return {
            "journal": {**self._outbox.status(), "backlog_events": self.backlog},
            "cluster": cluster,
        }

    def figures(self) -> dict[str, float]:
        """See `BackHalf.figures`."""
        return {**self._outbox.figures(), "sluice_journal_backlog_events": float(self.backlog)}

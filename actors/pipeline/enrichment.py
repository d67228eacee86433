"""Adds device, source and visitor to events."""

import random
import secrets
from collections.abc import Sequence

import structlog
import trio

from actors.letters.dead_letters import DeadLetters
from actors.pipeline.setting_aside import set_event_aside
from actors.pipeline.stage import Stage
from actors.pipeline.verdicts import Verdicts
from ingest.letters.dead_letter import redact
from ingest.model.verdict import Verdict
from ingest.pipeline.context import EventContext
from ingest.pipeline.enrichment import visitor_of
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import ENRICHMENT, run_steps
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()


class Enrichment(Stage[EventContext, TicketedEvent]):
    """The actor that runs the costly look-ups, in order; it owns no state.

    Receives runs of `EventContext`. Sends runs of `TicketedEvent`, which hold neither address nor
    user agent, and gives the verdicts on bots. A restart loses nothing.
    """

    name = "enrichment"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[EventContext]],
        outlet: trio.MemorySendChannel[Sequence[TicketedEvent]],
        reference: Reference,
        verdicts: Verdicts,
        letters: DeadLetters,
        metrics: Metrics,
    ) -> None:
        """Own both channel halves until `close`; the rest is shared."""
        super().__init__(inbox, outlet)
        self._reference = reference
        self._verdicts = verdicts
        self._letters = letters
        self._metrics = metrics
        # Seeded once, to avoid a system call for each event.
        self._nonce = random.Random(secrets.randbits(256)).getrandbits  # noqa: S311 - no secret

    def handle(self, message: EventContext) -> TicketedEvent | None:
        """Run the enrichment steps."""
        drop = run_steps(ENRICHMENT, message, self._reference)
        if drop is not None:
            self._verdicts.drop(message.event, Verdict.of(drop))
            return None
        revenue = message.revenue
        if revenue is not None and revenue.reporting_amount is None:
            currency = revenue.source_currency
            self._metrics.missing_exchange_rates.labels(currency).inc()
            log.warning("no exchange rate for revenue", site=message.site.id, currency=currency)
        event = message.event
        return TicketedEvent(event.ticket, event.position, message.enriched(self._nonce(64)))

    def set_aside(self, message: EventContext, error: Exception | None) -> None:
        """Keep the event without its address."""
        event = redact(message.event, lambda: visitor_of(message.event, self._reference))
        set_event_aside(self._verdicts, self._letters, self.name, message.event, event, error)

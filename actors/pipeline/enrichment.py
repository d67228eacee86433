"""Adds device, source and visitor to events."""

from collections.abc import Sequence

import structlog
import trio

from actors.letters.dead_letters import DeadLetters
from actors.pipeline.setting_aside import set_event_aside
from actors.pipeline.stage import Stage
from actors.pipeline.verdicts import Verdicts
from ingest.letters.dead_letter import redact
from ingest.model.event import EnrichedEvent
from ingest.model.verdict import DropReason, Verdict
from ingest.pipeline.enrichment import enrich, visitor_of
from ingest.pipeline.gate import GatedEvent
from ingest.pipeline.reference import Reference
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()


class Enrichment(Stage[GatedEvent, EnrichedEvent]):
    """The actor that owns nothing but its place in the line: the costly look-ups, in order.

    Receives runs of `GatedEvent`; sends runs of `EnrichedEvent`, which hold no address and no user
    agent any more, and gives bots their verdict. A restart loses nothing.
    """

    name = "enrichment"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[GatedEvent]],
        outlet: trio.MemorySendChannel[Sequence[EnrichedEvent]],
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

    def handle(self, message: GatedEvent) -> EnrichedEvent | None:
        """Run the enrichment steps."""
        outcome = enrich(message, self._reference)
        if isinstance(outcome, DropReason):
            self._verdicts.give(message.event, Verdict(outcome))
            return None
        if outcome.revenue is not None and outcome.revenue.reporting_amount is None:
            currency = outcome.revenue.source_currency
            self._metrics.missing_exchange_rates.labels(currency).inc()
            log.warning("no exchange rate for revenue", site=outcome.site_id, currency=currency)
        return outcome

    def set_aside(self, message: GatedEvent, error: Exception | None) -> None:
        """Keep the event without its address."""
        event = redact(message.event, lambda: visitor_of(message.event, self._reference.salts))
        set_event_aside(self._verdicts, self._letters, self.name, message.event, event, error)

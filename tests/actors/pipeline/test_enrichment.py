"""Enrichment as an actor: verdicts for bots, letters for what it cannot handle, rates missed."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from ingest.model.event import Event, Revenue, Source
from ingest.model.verdict import DropReason, Verdict
from ingest.pipeline.context import EventContext
from ingest.sites.site import Site
from tests.actors.pipeline.running_pipeline import Pipeline
from tests.examples import NOON, an_event

SITE = Site(1, "example.com", revenue_goals={"Buy": "JPY"})


def gated(**request: Any) -> EventContext:
    return EventContext(an_event(**request), SITE)


async def test_what_is_sent_on_holds_no_address_and_no_agent(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    message = gated()
    ticketed = Pipeline(tmp_path).front.enrichment.handle(message)
    assert ticketed is not None
    enriched = ticketed.event
    assert enriched.device.browser == "Chrome"
    assert message.event.request.client_ip not in repr(enriched)
    assert str(message.event.request.user_agent) not in repr(enriched)


async def test_what_is_sent_on_says_who_waits_for_it_and_where_it_comes_from(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    source = Source("letter:1", 2)
    event = replace(
        an_event(ticket=7, position=1, domains=("", "example.com"), timestamp=NOON - 60),
        source=source,
    )
    ticketed = Pipeline(tmp_path).front.enrichment.handle(EventContext(event, SITE))
    assert ticketed is not None
    assert (ticketed.ticket, ticketed.position) == (7, 1)
    assert ticketed.event.source == source
    assert (ticketed.event.timestamp, ticketed.event.domain) == (NOON - 60, "example.com")


async def test_each_event_has_a_random_number_for_its_visit(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    enrichment = Pipeline(tmp_path).front.enrichment
    nonces = {ticketed.event.nonce for _ in range(50) if (ticketed := enrichment.handle(gated()))}
    assert len(nonces) == 50
    assert all(0 <= nonce < 2**64 for nonce in nonces)
    assert max(nonces) >= 2**60


async def test_a_bot_is_answered(autojump_clock: MockClock, tmp_path: Path) -> None:
    collector = Pipeline(tmp_path).collector
    ticket = collector.front.verdicts.open(1)
    assert (
        collector.front.enrichment.handle(gated(ticket=ticket.number, user_agent="Googlebot/2.1"))
        is None
    )
    assert ticket.verdicts == [Verdict(DropReason.BOT)]


@pytest.mark.parametrize(
    ("name", "currency", "counted"),
    [("Buy", "EUR", 1), ("Buy", "JPY", None), ("Other", "EUR", None)],
)
async def test_only_a_missing_exchange_rate_is_counted(
    autojump_clock: MockClock, tmp_path: Path, name: str, currency: str, counted: int | None
) -> None:
    collector = Pipeline(tmp_path).collector
    collector.front.enrichment.handle(gated(name=name, revenue=Revenue(Decimal(5), currency)))
    figure = collector.metrics.registry.get_sample_value(
        "sluice_missing_exchange_rates_total", {"currency": currency}
    )
    assert figure == counted


@pytest.mark.parametrize("error", [ZeroDivisionError("203.0.113.9"), None])
async def test_a_letter_holds_no_address(
    autojump_clock: MockClock, tmp_path: Path, error: Exception | None
) -> None:
    collector = Pipeline(tmp_path).collector
    ticket = collector.front.verdicts.open(1)
    message = gated(ticket=ticket.number)
    collector.front.enrichment.set_aside(message, error)
    collector.letters.flush()
    assert ticket.verdicts == [Verdict(DropReason.PERSIST_ERROR)]
    (letter_id,) = collector.letters.ids()
    letter = collector.letters.directory.read(letter_id)
    assert letter.actor == "enrichment"
    assert isinstance(letter.content, Event)
    assert letter.content.visitor is not None
    (path,) = (tmp_path / "letters").iterdir()
    assert message.event.request.client_ip not in path.read_text()

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from actors.pipeline.verdicts import VERDICT_SECONDS, Verdicts
from ingest.fold.counts import Counters
from ingest.model.event import Event
from ingest.model.verdict import ACCEPTED, LATE, DropReason, Verdict
from ingest.telemetry.metrics import Metrics
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import an_event

BOT = Verdict(DropReason.BOT)


@pytest.fixture
def verdicts() -> Verdicts:
    return Verdicts(Counters(), Metrics(lambda domain: domain == "example.com"), no_broadcast())


def two(ticket: int) -> list[Event]:
    domains = ("example.com", "other.com")
    return [an_event(ticket=ticket, position=n, domains=domains) for n in (0, 1)]


async def test_verdicts_come_in_the_order_of_the_domains(verdicts: Verdicts) -> None:
    ticket = verdicts.open(2)
    first, second = two(ticket.number)

    async def decide() -> None:
        verdicts.give(second, BOT)
        verdicts.give(first, ACCEPTED)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(decide)
        assert await verdicts.wait(ticket, 1) == [ACCEPTED, BOT]
    assert len(verdicts) == 0


async def test_events_without_a_verdict_in_time_are_late(
    autojump_clock: MockClock, verdicts: Verdicts
) -> None:
    ticket = verdicts.open(2)
    first, second = two(ticket.number)
    verdicts.give(first, ACCEPTED)
    assert not verdicts.expired(ticket.number)
    assert await verdicts.wait(ticket, 1) == [ACCEPTED, LATE]
    assert verdicts.expired(ticket.number)
    verdicts.give(second, ACCEPTED)
    assert len(verdicts) == 0


async def test_a_client_that_has_gone_does_not_withdraw(verdicts: Verdicts) -> None:
    ticket = verdicts.open(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await verdicts.wait(ticket, 1)
    assert not verdicts.expired(ticket.number)
    verdicts.give(an_event(ticket=ticket.number), ACCEPTED)
    assert len(verdicts) == 0


def test_nobody_waits_for_ticket_zero(verdicts: Verdicts) -> None:
    assert not verdicts.expired(0)
    verdicts.give(an_event(), ACCEPTED)


def test_each_verdict_is_counted_once() -> None:
    counters, metrics = Counters(), Metrics(lambda domain: domain == "example.com")
    verdicts = Verdicts(counters, metrics, no_broadcast())
    verdicts.give(an_event(tracker_version=36), ACCEPTED)
    verdicts.give(an_event(domains=("unknown.example",)), Verdict(DropReason.NOT_FOUND))
    rows = {
        (domain, metric, version): value
        for _, domain, _, metric, value, version in counters.take(None, lambda domain: None)
    }
    assert rows == {
        ("example.com", "buffered", 36): 1,
        ("unknown.example", "dropped_not_found", 0): 1,
    }
    figures = metrics.exposition().decode()
    assert 'sluice_events_accepted_total{site="example.com"} 1.0' in figures
    assert 'sluice_events_dropped_total{reason="not_found",site="(unknown)"} 1.0' in figures


async def test_readmitting_waits_for_the_verdict(
    autojump_clock: MockClock, verdicts: Verdicts, nursery: trio.Nursery
) -> None:
    send, receive = trio.open_memory_channel[Sequence[Event]](0)

    async def decide() -> None:
        async for (event,) in receive:
            verdicts.give(event, BOT)

    nursery.start_soon(decide)
    assert await verdicts.readmit(an_event(), send, "1-letter") == BOT
    nursery.cancel_scope.cancel()


async def test_readmitting_gives_up_in_time(autojump_clock: MockClock, verdicts: Verdicts) -> None:
    send, _receive = trio.open_memory_channel[Sequence[Event]](1)
    assert await verdicts.readmit(an_event(), send, "1-letter") == LATE
    assert trio.current_time() == VERDICT_SECONDS
    assert len(verdicts) == 0

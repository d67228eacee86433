from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from actors.keepers.request_timeouts import BEAT_SECONDS, Patience
from actors.pipeline.intake import Intake, OverloadedError
from actors.pipeline.verdicts import VERDICT_SECONDS, Verdicts
from ingest.fold.counts import Counters
from ingest.model.event import Event
from ingest.model.verdict import ACCEPTED, DropReason, Verdict
from ingest.telemetry.metrics import Metrics
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import a_request

BOT = Verdict(DropReason.BOT)


class Desk:
    """An intake before a pipeline that gives the verdicts of a script, by domain."""

    def __init__(self, room: int = 1) -> None:
        self.verdicts = Verdicts(Counters(), Metrics(lambda domain: True), no_broadcast())
        send, self.receive = trio.open_memory_channel[Sequence[Event]](room)
        self.intake = Intake(send, self.verdicts)
        self.script: dict[str, Verdict] = {}

    async def decide(self) -> None:
        async for events in self.receive:
            for event in events:
                if event.domain in self.script:
                    self.verdicts.give(event, self.script[event.domain])


async def test_gives_a_verdict_for_each_domain(nursery: trio.Nursery) -> None:
    desk = Desk()
    desk.script = {"a.com": ACCEPTED, "b.com": BOT}
    nursery.start_soon(desk.decide)
    request = a_request(domains=("b.com", "a.com", "b.com"))
    assert await desk.intake.submit(request) == [BOT, ACCEPTED, BOT]
    nursery.cancel_scope.cancel()


async def test_a_full_pipeline_refuses_at_once(autojump_clock: MockClock) -> None:
    desk = Desk(room=0)
    with pytest.raises(OverloadedError):
        await desk.intake.submit(a_request())
    assert trio.current_time() == 0
    assert len(desk.verdicts) == 0


async def test_no_verdict_in_time_refuses_and_withdraws(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    desk = Desk()
    nursery.start_soon(Patience(desk.verdicts).run)
    with pytest.raises(OverloadedError):
        await desk.intake.submit(a_request())
    assert VERDICT_SECONDS <= trio.current_time() <= VERDICT_SECONDS + BEAT_SECONDS
    (event,) = desk.receive.receive_nowait()
    assert desk.verdicts.expired(event.ticket)
    nursery.cancel_scope.cancel()


async def test_what_was_accepted_in_time_is_said(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A refusal would make the client send again what is already stored."""
    desk = Desk()
    desk.script = {"a.com": ACCEPTED}
    nursery.start_soon(desk.decide)
    nursery.start_soon(Patience(desk.verdicts).run)
    verdicts = await desk.intake.submit(a_request(domains=("a.com", "slow.com")))
    assert verdicts == [ACCEPTED, Verdict(DropReason.LOCK_TIMEOUT)]
    nursery.cancel_scope.cancel()


async def test_closed_it_takes_nothing() -> None:
    desk = Desk()
    desk.intake.close()
    assert not desk.intake.is_open
    with pytest.raises(OverloadedError):
        await desk.intake.submit(a_request())
    with pytest.raises(trio.EndOfChannel):
        await desk.receive.receive()

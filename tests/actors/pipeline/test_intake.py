from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from actors.keepers.request_timeouts import BEAT_SECONDS, RequestTimeouts
from actors.pipeline.intake import Intake, OverloadedError
from actors.pipeline.verdicts import VERDICT_SECONDS, Verdicts
from ingest.model.event import Event
from ingest.model.verdict import ACCEPTED, LATE, NOT_KEPT, SET_ASIDE, DropReason, Verdict
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.telemetry.metrics import Metrics
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import a_request, an_enriched_event, an_event

BOT = Verdict(DropReason.BOT)


class RunIntake:
    """An intake before a pipeline that gives the verdicts of a script, by domain."""

    def __init__(self, room: int = 1) -> None:
        self.verdicts = Verdicts(DropCounter(), Metrics(lambda domain: True), no_broadcast())
        send, self.receive = trio.open_memory_channel[Sequence[Event]](room)
        self.intake = Intake(send, self.verdicts)
        self.script: dict[str, Verdict] = {}

    async def decide(self) -> None:
        async for events in self.receive:
            for event in events:
                verdict = self.script.get(event.domain)
                if verdict is None:
                    continue
                if verdict.accepted:
                    ticketed = TicketedEvent(event.ticket, event.position, an_enriched_event())
                    self.verdicts.appended(1, [ticketed])
                else:
                    self.verdicts.drop(event, verdict)


async def test_gives_a_verdict_for_each_domain(nursery: trio.Nursery) -> None:
    running = RunIntake()
    running.script = {"a.com": ACCEPTED, "b.com": BOT}
    nursery.start_soon(running.decide)
    request = a_request(domains=("b.com", "a.com", "b.com"))
    assert await running.intake.submit(request) == [BOT, ACCEPTED, BOT]
    nursery.cancel_scope.cancel()


async def test_a_full_pipeline_refuses_at_once(autojump_clock: MockClock) -> None:
    running = RunIntake(room=0)
    assert running.intake.room == 0
    with pytest.raises(OverloadedError):
        await running.intake.submit(a_request())
    assert trio.current_time() == 0
    assert len(running.verdicts) == 0


async def test_room_for_requests() -> None:
    running = RunIntake(room=2)
    for room in (2, 1):
        assert running.intake.room == room
        running.intake.send(a_request())
    assert running.intake.room == 0
    running.receive.receive_nowait()
    assert running.intake.room == 1
    running.intake.close()
    assert running.intake.room == 0


async def test_no_verdict_in_time_refuses_and_withdraws(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    running = RunIntake()
    nursery.start_soon(RequestTimeouts(running.verdicts).run)
    with pytest.raises(OverloadedError):
        await running.intake.submit(a_request())
    assert VERDICT_SECONDS <= trio.current_time() <= VERDICT_SECONDS + BEAT_SECONDS
    (event,) = running.receive.receive_nowait()
    assert running.verdicts.expired(event.ticket)
    nursery.cancel_scope.cancel()


async def test_what_was_accepted_in_time_is_said(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A refusal would make the client send again what is already stored."""
    running = RunIntake()
    running.script = {"a.com": ACCEPTED}
    nursery.start_soon(running.decide)
    nursery.start_soon(RequestTimeouts(running.verdicts).run)
    verdicts = await running.intake.submit(a_request(domains=("a.com", "slow.com")))
    assert verdicts == [ACCEPTED, Verdict(DropReason.LOCK_TIMEOUT)]
    nursery.cancel_scope.cancel()


async def test_several_requests_are_sent_as_one(nursery: trio.Nursery) -> None:
    running = RunIntake()
    running.script = {"a.com": ACCEPTED, "b.com": BOT}
    nursery.start_soon(running.decide)
    requests = [a_request(domains=("a.com",)), a_request(domains=("b.com", "a.com"))]
    assert await running.intake.submit(*requests) == [ACCEPTED, BOT, ACCEPTED]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("verdicts", "refused"),
    [
        pytest.param([LATE], True, id="not in time"),
        pytest.param([NOT_KEPT, LATE], True, id="not kept"),
        pytest.param([NOT_KEPT, BOT], True, id="one may be sent again"),
        pytest.param([NOT_KEPT, ACCEPTED], False, id="one is kept"),
        pytest.param([SET_ASIDE], False, id="kept in a letter"),
        pytest.param([BOT], False, id="dropped"),
    ],
)
async def test_a_refusal_says_that_nothing_of_a_request_is_kept(
    nursery: trio.Nursery, verdicts: list[Verdict], refused: bool
) -> None:
    running = RunIntake()
    domains = [f"{number}.com" for number in range(len(verdicts))]
    running.script = dict(zip(domains, verdicts, strict=True))
    nursery.start_soon(running.decide)
    request = a_request(domains=tuple(domains))
    if refused:
        with pytest.raises(OverloadedError):
            await running.intake.submit(request)
    else:
        assert await running.intake.submit(request) == verdicts
    nursery.cancel_scope.cancel()


async def test_whoever_waits_elsewhere_is_told(nursery: trio.Nursery) -> None:
    running = RunIntake()
    running.script = {"a.com": ACCEPTED}
    told = trio.Event()
    ticket = running.intake.send(a_request(domains=("a.com",)), tell=told.set)
    nursery.start_soon(running.decide)
    await told.wait()
    assert running.intake.outcome(ticket) == [ACCEPTED]
    nursery.cancel_scope.cancel()


async def test_a_redriven_event_waits_for_room(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    running = RunIntake(room=0)
    running.script = {"example.com": BOT}
    given: list[Verdict] = []

    async def readmit() -> None:
        given.append(await running.intake.readmit(an_event()))

    nursery.start_soon(readmit)
    await trio.sleep(3)
    assert given == []
    nursery.start_soon(running.decide)
    await trio.sleep(1)
    assert given == [BOT]
    nursery.cancel_scope.cancel()


async def test_closed_it_takes_nothing() -> None:
    running = RunIntake()
    running.intake.close()
    assert not running.intake.is_open
    with pytest.raises(OverloadedError):
        await running.intake.submit(a_request())
    with pytest.raises(trio.EndOfChannel):
        await running.receive.receive()

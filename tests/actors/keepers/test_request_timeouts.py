import trio
from trio.testing import MockClock

from actors.keepers.request_timeouts import BEAT_SECONDS, RequestTimeouts
from actors.pipeline.verdicts import HELD_SECONDS, VERDICT_SECONDS, Verdicts
from ingest.model.verdict import ACCEPTED, LATE, Verdict
from ingest.records.drop_counter import DropCounter
from ingest.telemetry.metrics import Metrics
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import a_ticketed_event


async def test_each_request_waits_for_its_own_time(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    verdicts = Verdicts(DropCounter(), Metrics(lambda domain: True), no_broadcast())
    nursery.start_soon(RequestTimeouts(verdicts).run)
    ended: dict[str, tuple[float, list[Verdict]]] = {}

    async def wait(name: str, *, held: bool = False, answered_after: float = 0) -> None:
        ticket = verdicts.open(1)
        if held:
            verdicts.hold(ticket.number)
        if answered_after:
            nursery.start_soon(answer, ticket.number, answered_after)
        given = await verdicts.settled(ticket)
        ended[name] = (trio.current_time(), given)

    async def answer(number: int, seconds: float) -> None:
        await trio.sleep(seconds)
        verdicts.appended(1, [a_ticketed_event(ticket=number)])

    async with trio.open_nursery() as waiting:
        waiting.start_soon(wait, "first")
        waiting.start_soon(lambda: wait("held", held=True))
        waiting.start_soon(lambda: wait("held and answered", held=True, answered_after=9))
        waiting.start_soon(lambda: wait("answered", answered_after=2))
        await trio.sleep(3)
        waiting.start_soon(wait, "second")
    assert ended["answered"] == (2, [ACCEPTED])
    assert ended["held and answered"] == (9, [ACCEPTED])
    for name, seconds in (
        ("first", VERDICT_SECONDS),
        ("second", 3 + VERDICT_SECONDS),
        ("held", VERDICT_SECONDS + HELD_SECONDS),
    ):
        moment, given = ended[name]
        assert seconds <= moment <= seconds + BEAT_SECONDS
        assert given == [LATE]
    assert len(verdicts) == 0


async def test_what_the_fold_does_not_reach_in_time_is_accepted(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    verdicts = Verdicts(DropCounter(), Metrics(lambda domain: True), no_broadcast())
    nursery.start_soon(RequestTimeouts(verdicts).run)
    verdicts.fold_reads()
    ticket = verdicts.open(1)
    verdicts.hold(ticket.number)
    verdicts.appended(1, [a_ticketed_event(ticket=ticket.number)])
    assert await verdicts.settled(ticket) == [ACCEPTED]
    assert VERDICT_SECONDS <= trio.current_time() <= VERDICT_SECONDS + BEAT_SECONDS

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.pipeline.stage import RUN_LENGTH, RUN_PART, RUN_SECONDS, Stage, step_of
from actors.supervision.supervisor import RestartPolicy, Supervisor
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import Step, run_steps
from tests.examples import an_event
from tests.ingest.pipeline.test_gate import a_reference


class Doubling(Stage[int, int]):
    """Doubles numbers, drops odd tens and fails on 13."""

    name = "doubling"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[int]],
        outlet: trio.MemorySendChannel[Sequence[int]],
    ) -> None:
        super().__init__(inbox, outlet)
        self.aside: list[tuple[int, str]] = []

    def handle(self, message: int) -> int | None:
        if message % 13 == 0:
            raise ValueError("unlucky")
        return None if message % 10 == 0 else message * 2

    def set_aside(self, message: int, error: Exception | None) -> None:
        self.aside.append((message, type(error).__name__))


class Line:
    def __init__(self, room: int = 10) -> None:
        self.send, inbox = trio.open_memory_channel[Sequence[int]](100)
        outlet, self.receive = trio.open_memory_channel[Sequence[int]](room)
        self.stage = Doubling(inbox, outlet)

    async def received(self) -> list[int]:
        return [number async for run in self.receive for number in run]


def wanted(numbers: Sequence[int]) -> list[int]:
    return [2 * number for number in numbers if number % 10 and number % 13]


async def test_handles_in_order_and_ends_with_its_inbox(nursery: trio.Nursery) -> None:
    line = Line()
    for start in range(1, 10, 3):
        line.send.send_nowait(range(start, start + 3))
    line.send.close()
    nursery.start_soon(Supervisor().supervise, line.stage)
    assert await line.received() == wanted(range(1, 10))


async def test_a_failing_message_costs_no_other(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = Line()
    line.send.send_nowait(range(1, 30))
    line.send.close()
    nursery.start_soon(Supervisor().supervise, line.stage)
    assert await line.received() == wanted(range(1, 30))
    assert line.stage.aside == [(13, "ValueError"), (26, "ValueError")]


async def test_runs_are_bounded(nursery: trio.Nursery) -> None:
    line = Line()
    line.send.send_nowait([1] * (3 * RUN_LENGTH))
    nursery.start_soon(line.stage.run)
    run = await line.receive.receive()
    assert len(run) == RUN_LENGTH
    nursery.cancel_scope.cancel()


async def test_waits_for_room_without_losing_or_confirming(nursery: trio.Nursery) -> None:
    line = Line(room=0)
    line.send.send_nowait(range(1, 6))
    line.send.close()
    nursery.start_soon(Supervisor().supervise, line.stage)
    await wait_all_tasks_blocked()
    assert line.stage.backlog == 5
    assert await line.received() == wanted(range(1, 6))
    assert line.stage.backlog == 0


async def test_cancelled_while_sending_it_sends_again() -> None:
    line = Line(room=0)
    line.send.send_nowait(range(1, 6))
    line.send.close()
    async with trio.open_nursery() as first:
        first.start_soon(line.stage.run)
        await wait_all_tasks_blocked()
        first.cancel_scope.cancel()
    async with trio.open_nursery() as second:
        second.start_soon(Supervisor().supervise, line.stage)
        assert await line.received() == wanted(range(1, 6))


async def test_an_outlet_that_broke_is_no_messages_fault() -> None:
    line = Line()
    line.receive.close()
    line.send.send_nowait([1])
    with pytest.raises(trio.BrokenResourceError):
        await line.stage.run()
    assert line.stage.aside == []
    assert line.stage.backlog == 1


async def test_failing_messages_restart_nothing_and_keep_nobody_waiting(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line, supervisor = Line(room=100), Supervisor(RestartPolicy(intensity=0))
    line.send.send_nowait([13, 1] * 1_000)
    line.send.close()
    nursery.start_soon(supervisor.supervise, line.stage)
    assert await line.received() == [2] * 1_000
    assert len(line.stage.aside) == 1_000
    assert supervisor.healthy
    assert trio.current_time() == 0


async def test_a_message_that_cannot_be_set_aside_is_tried_again(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, supervisor = Line(), Supervisor()
    set_aside, failures = line.stage.set_aside, [ZeroDivisionError(), ZeroDivisionError()]

    def fail_twice(message: int, error: Exception | None) -> None:
        if failures:
            raise failures.pop()
        set_aside(message, error)

    monkeypatch.setattr(line.stage, "set_aside", fail_twice)
    line.send.send_nowait([1, 13, 2])
    line.send.close()
    nursery.start_soon(supervisor.supervise, line.stage)
    assert await line.received() == [2, 4]
    assert line.stage.aside == [(13, "ValueError")]
    assert supervisor.watches["doubling"].restarts == 2


@pytest.mark.parametrize(
    ("numbers", "failing"),
    [
        pytest.param([13] * 50, None, id="half of the window"),
        pytest.param([13] * 51, "handle", id="more than half"),
        pytest.param([13] * 51 + [1] * 49, "handle", id="still more than half"),
        pytest.param([13] * 51 + [1] * 50, None, id="no more"),
        pytest.param([13, 1] * 500, None, id="every other one"),
        pytest.param([13, 1, 13] * 500, "handle", id="two of three"),
        pytest.param([13] * 60 + [1] * 200 + [13] * 50, None, id="long ago"),
    ],
)
async def test_when_most_messages_fail_the_step_is_named(
    numbers: list[int], failing: str | None
) -> None:
    line = Line(room=100)
    line.send.send_nowait(numbers)
    line.send.close()
    await line.stage.run()
    assert line.stage.failing_step == failing
    if failing is None:
        assert line.stage.trouble is None
        assert line.stage.status() == {"status": "ok"}
    else:
        assert line.stage.trouble == f"most messages fail in {failing}"
        assert line.stage.status() == {"status": "degraded", "failing_step": failing}


async def test_that_most_fail_is_logged_once_and_so_is_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = Line(room=100)
    line.send.send_nowait([13] * 90 + [1] * 200)
    line.send.close()
    await line.stage.run()
    logged = capsys.readouterr().out
    assert logged.count("most messages fail") == logged.count("messages are handled again") == 1
    assert logged.count("message failed") == 1


def test_an_error_that_knows_its_step_says_it() -> None:
    error = ValueError()
    assert step_of(error) == "unknown"
    with pytest.raises(ValueError, match="here") as raised:
        run_steps((Step("gate", "site", _fail),), EventContext(an_event()), a_reference())
    assert step_of(raised.value) == "site"


def _fail(context: EventContext, reference: Reference) -> None:
    raise ValueError("here")


async def test_giving_up_sets_everything_aside(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line()
    supervisor = Supervisor(RestartPolicy(intensity=0))
    send_handled, failures = line.stage.send_handled, [ZeroDivisionError()]

    async def fail_once() -> None:
        if line.stage.backlog and failures:
            raise failures.pop()
        await send_handled()

    monkeypatch.setattr(line.stage, "send_handled", fail_once)
    line.send.send_nowait([1, 13])
    nursery.start_soon(supervisor.supervise, line.stage)
    await supervisor.fatal.wait()
    line.send.send_nowait([3])
    line.send.close()
    assert await line.received() == [2]
    assert line.stage.aside == [(13, "ValueError"), (3, "NoneType")]


async def test_its_work_is_what_waits_for_it_and_not_for_the_next(
    nursery: trio.Nursery,
) -> None:
    line = Line(room=0)
    assert not line.stage.has_work
    line.send.send_nowait([1, 2, 3])
    assert line.stage.has_work
    nursery.start_soon(line.stage.run)
    await wait_all_tasks_blocked()
    before = line.stage.progress
    assert line.stage.backlog == 3
    assert not line.stage.has_work
    await line.receive.receive()
    await wait_all_tasks_blocked()
    assert not line.stage.has_work
    assert line.stage.progress > before
    nursery.cancel_scope.cancel()


async def test_messages_that_take_long_end_a_run(
    nursery: trio.Nursery, mock_clock: MockClock
) -> None:
    line = Line()
    handle = line.stage.handle

    def handle_slowly(message: int) -> int | None:
        mock_clock.jump(RUN_SECONDS)
        return handle(message)

    line.stage.handle = handle_slowly  # type: ignore[method-assign]
    line.send.send_nowait(range(1, 3 * RUN_PART + 1))
    line.send.close()
    nursery.start_soon(Supervisor().supervise, line.stage)
    runs = [tuple(run) async for run in line.receive]
    assert [number for run in runs for number in run] == wanted(range(1, 3 * RUN_PART + 1))
    assert len(runs) == 3

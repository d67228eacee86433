from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.supervision.actor import Actor, Queue
from actors.supervision.supervisor import Condition, RestartPolicy, Supervisor


class Scripted(Actor):
    """Fails as often as told, then runs until released."""

    def __init__(self, failures: int, name: str = "scripted") -> None:
        self.name = name
        self.failures = failures
        self.runs: list[float] = []
        self.errors: list[Exception] = []
        self.gave_up = False
        self.closed = 0
        self.release = trio.Event()

    async def run(self) -> None:
        self.runs.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise ValueError("as told")
        await self.release.wait()

    def failed(self, error: Exception) -> None:
        self.errors.append(error)

    async def give_up(self) -> None:
        self.gave_up = True

    def close(self) -> None:
        self.closed += 1


def a_supervisor(
    intensity: int = 10, on_restart: Callable[[str], None] = lambda _: None
) -> Supervisor:
    policy = RestartPolicy(intensity=intensity, period=60, first_delay=1, longest_delay=4)
    return Supervisor(policy, on_restart=on_restart, jitter=lambda: 0)


async def test_an_actor_that_ends_is_finished_and_closed(autojump_clock: MockClock) -> None:
    supervisor, actor = a_supervisor(), Scripted(0)
    actor.release.set()
    await supervisor.supervise(actor)
    watch = supervisor.watches["scripted"]
    assert (watch.condition, watch.restarts, actor.closed) == (Condition.FINISHED, 0, 1)
    assert watch.done.is_set()


async def test_remembers_what_failed_last_and_when(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    supervisor, actor = a_supervisor(), Scripted(2)
    nursery.start_soon(supervisor.supervise, actor)
    await trio.sleep(10)
    watch = supervisor.watches["scripted"]
    assert (watch.last_error, watch.failed_at) == ("ValueError", 1.0)


async def test_restarts_after_a_growing_delay(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    restarted: list[str] = []
    supervisor, actor = a_supervisor(on_restart=restarted.append), Scripted(5)
    nursery.start_soon(supervisor.supervise, actor)
    await trio.sleep(30)
    delays = [later - earlier for earlier, later in pairwise(actor.runs)]
    assert delays == [1, 2, 4, 4, 4]
    assert [type(error) for error in actor.errors] == [ValueError] * 5
    assert restarted == ["scripted"] * 5
    watch = supervisor.watches["scripted"]
    assert (watch.condition, watch.last_error) == (Condition.RUNNING, "ValueError")
    assert actor.closed == 0
    assert supervisor.healthy


async def test_the_delay_begins_anew_after_a_quiet_period(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    supervisor, actor = a_supervisor(), Scripted(2)
    nursery.start_soon(supervisor.supervise, actor)
    await trio.sleep(120)
    actor.failures = 1
    actor.runs.clear()
    actor.release.set()
    await trio.sleep(10)
    assert supervisor.watches["scripted"].condition is Condition.FINISHED


async def test_too_many_restarts_are_fatal(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    supervisor, actor, sibling = a_supervisor(intensity=3), Scripted(100), Scripted(0, "sibling")
    nursery.start_soon(supervisor.supervise, sibling)
    nursery.start_soon(supervisor.supervise, actor)
    with trio.fail_after(60):
        await supervisor.fatal.wait()
        await supervisor.watches["scripted"].done.wait()
    assert len(actor.runs) == 4
    assert actor.gave_up
    assert actor.closed == 1
    assert supervisor.watches["scripted"].condition is Condition.FAILED
    assert supervisor.watches["sibling"].condition is Condition.RUNNING
    assert not supervisor.healthy


async def test_restarts_of_all_actors_count_together(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    supervisor = a_supervisor(intensity=3)
    actors = [Scripted(2, "one"), Scripted(2, "two")]
    for actor in actors:
        nursery.start_soon(supervisor.supervise, actor)
    with trio.fail_after(60):
        await supervisor.fatal.wait()


async def test_restarts_spread_out_are_not_fatal(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    class Now(Scripted):
        async def run(self) -> None:
            await trio.sleep(61)
            raise ValueError("once a minute")

    supervisor = a_supervisor(intensity=1)
    nursery.start_soon(supervisor.supervise, Now(0))
    await trio.sleep(600)
    assert supervisor.healthy
    assert supervisor.watches["scripted"].restarts > 5


async def test_cancelling_leaves_the_channels_open(nursery: trio.Nursery) -> None:
    supervisor, actor = a_supervisor(), Scripted(0)
    nursery.start_soon(supervisor.supervise, actor)
    await wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()
    await wait_all_tasks_blocked()
    assert actor.closed == 0


async def test_what_is_no_exception_is_not_caught() -> None:
    class Interrupted(Scripted):
        async def run(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await a_supervisor().supervise(Interrupted(0))


async def test_tells_how_the_actors_are(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Troubled(Scripted):
        trouble: str | None = None

    supervisor, actor = a_supervisor(), Troubled(1)
    nursery.start_soon(supervisor.supervise, actor)
    await trio.sleep(10)
    about: dict[str, object] = {
        "condition": "running",
        "restarts": 1,
        "last_error": "ValueError",
        "seconds_since_failure": 10.0,
    }
    assert supervisor.status() == {"status": "ok", "scripted": about}
    assert supervisor.figures() == {"sluice_actors_in_trouble": 0}
    actor.trouble = "most messages fail"
    about["trouble"] = "most messages fail"
    assert supervisor.status() == {"status": "degraded", "scripted": about}
    assert supervisor.figures() == {"sluice_actors_in_trouble": 1}
    assert supervisor.queues() == {}
    send, inbox = trio.open_memory_channel[int](2)
    send.send_nowait(1)
    monkeypatch.setattr(Troubled, "queue", property(lambda _: Queue.of(inbox)))
    assert supervisor.status()["scripted"] == about | {"waiting": 1, "room": 2}
    assert supervisor.queues() == {"scripted": 1}
    supervisor.fatal.set()
    assert supervisor.status()["status"] == "down"


async def test_several_actors_of_one_name_have_names_of_their_own(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    supervisor = a_supervisor()
    for number in range(2):
        await nursery.start(partial(supervisor.supervise, Scripted(0), name=f"actor {number}"))
    assert {"actor 0", "actor 1"} <= supervisor.status().keys()
    supervisor.forget("actor 0")
    supervisor.forget("unknown")
    assert "actor 0" not in supervisor.status()
    assert "actor 1" in supervisor.status()

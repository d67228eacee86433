from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.keepers.watchdog import LOOK_SECONDS, STUCK_SECONDS, Watchdog
from actors.pipeline.intake import OverloadedError
from actors.supervision.actor import Actor
from actors.supervision.supervisor import RestartPolicy, Supervisor
from tests.actors.pipeline.running_pipeline import Pipeline, running


class Worker(Actor):
    """Has as much work as it is told, and gets on with it as long as it is told."""

    name = "worker"
    has_work = False

    def __init__(self) -> None:
        self.works = False
        self.fails = False

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.hang_in_a_child)
            while not self.fails:
                await trio.sleep(1)
                if self.works:
                    self.progress += 1
            raise ValueError

    async def hang_in_a_child(self) -> None:
        await trio.sleep_forever()


class Desk:
    def __init__(self, nursery: trio.Nursery) -> None:
        self.supervisor = Supervisor(RestartPolicy(first_delay=100, longest_delay=100))
        self.worker = Worker()
        nursery.start_soon(self.supervisor.supervise, self.worker)
        nursery.start_soon(self.supervisor.supervise, Watchdog(self.supervisor))

    @property
    def stuck(self) -> bool:
        return self.supervisor.watches["worker"].stuck


LONG = 10 * STUCK_SECONDS
FOUND_WITHIN = STUCK_SECONDS + 2 * LOOK_SECONDS


async def test_nobody_is_stuck_without_work(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    desk = Desk(nursery)
    await trio.sleep(LONG)
    assert not desk.stuck


async def test_nobody_is_stuck_who_makes_progress(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    desk = Desk(nursery)
    desk.worker.has_work = desk.worker.works = True
    await trio.sleep(LONG)
    assert not desk.stuck


async def test_an_actor_that_hangs_is_named_once_with_its_stack(
    autojump_clock: MockClock, nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(nursery)
    desk.worker.works = True
    await trio.sleep(LONG)
    desk.worker.works, desk.worker.has_work = False, True
    await trio.sleep(STUCK_SECONDS - LOOK_SECONDS)
    assert not desk.stuck
    await trio.sleep(LONG)
    assert desk.stuck
    status = desk.supervisor.status()
    assert status["status"] == "degraded"
    assert "no progress for" in str(status["worker"])
    logged = capsys.readouterr().out
    assert logged.count("actor is stuck") == 1
    assert f"progress={desk.worker.progress}" in logged
    assert "in run" in logged
    assert "in hang_in_a_child" in logged
    desk.worker.works = True
    await trio.sleep(FOUND_WITHIN)
    assert not desk.stuck
    assert desk.supervisor.status()["status"] == "ok"
    assert "actor goes on" in capsys.readouterr().out


async def test_an_actor_may_wait_as_long_as_it_says(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    desk = Desk(nursery)
    desk.worker.longest_wait = 100
    desk.worker.has_work = True
    await trio.sleep(100 + STUCK_SECONDS - 2 * LOOK_SECONDS)
    assert not desk.stuck
    await trio.sleep(4 * LOOK_SECONDS)
    assert desk.stuck


async def test_an_actor_that_waits_for_its_restart_is_not_stuck(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    desk = Desk(nursery)
    desk.worker.has_work = desk.worker.fails = True
    await trio.sleep(90)
    assert not desk.stuck


async def test_a_store_that_is_away_or_hangs_makes_nobody_stuck(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with running(Pipeline(tmp_path), seconds=5) as pipeline:
        pipeline.store.hangs = True
        with trio.move_on_after(600):
            while True:
                await trio.sleep(0.1)
                with trio.move_on_after(0.1), suppress(OverloadedError):
                    await pipeline.send()
        watches = pipeline.collector.supervisor.watches
        assert [name for name, watch in watches.items() if watch.stuck] == []


async def test_a_disk_that_hangs_is_found(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(Pipeline(tmp_path)) as pipeline:
        collector = pipeline.collector

        async def hang(function: object) -> None:
            await trio.sleep_forever()

        with monkeypatch.context() as patch:
            patch.setattr(collector.letters.thread, "call", hang)
            collector.letters.keep("gate", "x", None)  # type: ignore[arg-type]
            await trio.sleep(FOUND_WITHIN)
            assert collector.supervisor.watches["letters"].stuck
            assert collector.status()["actors"]["status"] == "degraded"

import time

import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from tests.examples import NOON


async def test_moves_with_trios_clock(mock_clock: MockClock) -> None:
    clock = Clock(NOON)
    assert clock.now() == NOON
    mock_clock.jump(90.5)
    assert clock.now() == NOON + 90.5
    assert clock.seconds() == clock.seconds_at(trio.current_time()) == NOON + 90


async def test_sleeps_until_an_instant(autojump_clock: MockClock) -> None:
    clock = Clock(NOON)
    await clock.sleep_until(NOON + 3600)
    assert clock.now() == NOON + 3600
    assert trio.current_time() == 3600


@pytest.mark.parametrize(
    ("step", "slept"),
    [
        pytest.param(1800, 1800, id="towards it"),
        pytest.param(10_000, 1, id="beyond it"),
        pytest.param(-1800, 5400, id="away from it"),
    ],
)
async def test_sleeps_until_an_instant_over_a_step(
    autojump_clock: MockClock, step: int, slept: float
) -> None:
    clock = Clock(NOON)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.sleep_until, NOON + 3600)
        await trio.sleep(1)
        clock.follow(clock.now() + step)
    assert trio.current_time() == pytest.approx(slept)


async def test_follows_a_step(mock_clock: MockClock) -> None:
    clock = Clock(NOON)
    mock_clock.jump(10)
    assert clock.follow(NOON + 3610) == 3600
    assert clock.now() == NOON + 3610


async def test_shows_the_systems_time() -> None:
    before = time.time()
    shown = Clock.system().now()
    assert before - 1 < shown < time.time() + 1

import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from actors.keepers.heartbeat import Heartbeat
from ingest.telemetry.metrics import Metrics
from tests.examples import NOON


@pytest.mark.parametrize(
    ("drift", "shown"),
    [
        pytest.param(0.4, NOON + 3, id="slewing is not followed"),
        pytest.param(3600.0, NOON + 3603, id="a step forward is"),
        pytest.param(-3600.0, NOON - 3597, id="a step back is"),
    ],
)
async def test_follows_the_systems_clock(
    autojump_clock: MockClock, drift: float, shown: int
) -> None:
    clock = Clock(NOON)
    metrics = Metrics(lambda domain: True)

    def wall() -> float:
        return NOON + trio.current_time() + drift

    with trio.move_on_after(3):
        await Heartbeat(clock, metrics, wall).run()
    assert clock.now() == pytest.approx(shown)
    steps = metrics.registry.get_sample_value("sluice_clock_steps_total")
    assert steps == (1 if abs(drift) >= 1 else 0)


async def test_measures_how_late_the_loop_is(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    clock = Clock(NOON)
    metrics = Metrics(lambda domain: True)
    nursery.start_soon(Heartbeat(clock, metrics, clock.now).run)
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(1.75)
    await trio.testing.wait_all_tasks_blocked()
    lag = metrics.registry.get_sample_value("sluice_event_loop_lag_seconds")
    assert lag == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("begun", "beats"),
    [
        pytest.param(NOON, [1, 2, 3], id="at a second's beginning"),
        pytest.param(NOON + 0.25, [0.75, 1.75, 2.75], id="within a second"),
    ],
)
async def test_a_second_of_the_history_is_one_of_the_clock(
    mock_clock: MockClock, nursery: trio.Nursery, begun: float, beats: list[float]
) -> None:
    clock = Clock(begun)
    metrics = Metrics(lambda domain: True)
    history = metrics.history
    history.advance(clock.seconds())
    nursery.start_soon(Heartbeat(clock, metrics, clock.now).run)
    await trio.testing.wait_all_tasks_blocked()
    for beat in beats:
        mock_clock.jump(beat - trio.current_time() - 0.01)
        await trio.testing.wait_all_tasks_blocked()
        history.count("example.com", None)
        mock_clock.jump(0.02)
        await trio.testing.wait_all_tasks_blocked()
    assert history.seconds(NOON).first == NOON
    assert history.seconds(NOON).accepted == [1, 1, 1, 0]

"""What a worker reports of its partitions; its folds are tested by `test_crashes.py`."""

from random import Random

import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from actors.cluster import letter_topic
from ingest.fold import fold as fold_module
from tests.actors.cluster.test_crashes import World, lay_out
from tests.examples import NOON, an_enriched_event


async def test_a_fold_that_waits_for_room_for_a_letter_is_down(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_topic, "LETTERS_LIMIT", 0)
    monkeypatch.setattr(fold_module, "rows_of", lay_out)
    world = World(Random(1), Clock(NOON), nursery)  # noqa: S311
    world.start("W0")
    nursery.start_soon(world.coordinate)
    world.append(0, [(0, an_enriched_event(pathname="/bad/1"))])
    await trio.sleep(60)
    worker = world.workers["W0"]

    status = worker.ownership.status()
    assert (status["status"], worker.letters.status()["status"]) == ("down", "down")
    assert isinstance(status["partitions"], dict)
    assert "waits for room" in status["partitions"]["0"]["reason"]
    assert status["partitions"]["1"]["status"] == "ok"

    monkeypatch.setattr(letter_topic, "LETTERS_LIMIT", 10)
    await trio.sleep(10)
    assert worker.ownership.status()["status"] == worker.letters.status()["status"] == "ok"
    assert len(worker.letters) == 1

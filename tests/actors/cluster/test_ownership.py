"""What a worker counts and reports; its folds are tested by `test_crashes.py`."""

from random import Random

import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from actors.cluster import letter_topic
from actors.cluster.ownership import FoldMetrics
from ingest.fold import fold as fold_module
from ingest.model.verdict import NO_SESSION
from ingest.sites.site import unregistered_site_id
from ingest.telemetry.metrics import Metrics
from tests.actors.cluster.test_crashes import World, lay_out
from tests.examples import NOON, an_enriched_event


@pytest.mark.parametrize(
    ("site_id", "label"),
    [(1, "example.com"), (unregistered_site_id("example.com"), "(unknown)")],
    ids=["a registered site", "another site that fronts accept"],
)
def test_drops_are_counted_by_site(site_id: int, label: str) -> None:
    metrics = Metrics(lambda domain: True)
    event = an_enriched_event(domain="example.com", site_id=site_id)
    FoldMetrics(metrics).folded(1, {0: (event, NO_SESSION)})
    line = f'sluice_events_dropped_total{{reason="no_session_for_engagement",site="{label}"}} 1.0'
    assert line in metrics.exposition().decode().splitlines()


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

import gc
import weakref
from collections.abc import Iterator, Sequence

import pytest
import trio

from actors.pipeline import slices
from actors.pipeline.slices import FREED_TOGETHER, copy_slowly, free_slowly, slice_all
from ingest.sessions.session import begin
from tests.examples import NOON, an_enriched_event


@pytest.fixture
def only_asked() -> Iterator[None]:
    """Lets the garbage collector run only when it is asked to."""
    gc.disable()
    yield
    gc.enable()


class Item:
    pass


class Seen(trio.abc.Instrument):
    """Counts the items that are alive after each step of a task."""

    def __init__(self, items: Sequence[weakref.ref[Item]]) -> None:
        self._items = items
        self.counts: list[int] = []

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.counts.append(sum(item() is not None for item in self._items))


@pytest.mark.parametrize("number", [0, 1, 3, 4, 10])
async def test_copies_all_in_order(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(slices, "COPIED_TOGETHER", 3)
    copied = await copy_slowly(iter(range(number)))
    assert list(copied) == list(range(number))
    assert len(copied) == number
    assert [item in copied for item in (0, number)] == [number > 0, False]
    assert copied == await copy_slowly(range(number))
    assert copied != await copy_slowly(range(number + 1))


async def test_the_garbage_collector_forgets_each_slice(only_asked: None) -> None:
    copied = await copy_slowly(begin(an_enriched_event(), NOON) for _ in range(20_000))
    assert copied.tuples
    assert not any(map(gc.is_tracked, copied.tuples))


async def test_the_garbage_collector_sees_what_is_made_while_others_are_freed(
    only_asked: None,
) -> None:
    items = slice_all([tuple((number,) for number in range(2 * FREED_TOGETHER))])
    new = [(number,) for number in range(FREED_TOGETHER)]
    assert any(map(gc.is_tracked, new))
    await free_slowly(items)
    assert not any(map(gc.is_tracked, new))


async def test_frees_a_slice_between_two_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "FREED_TOGETHER", 3)
    objects = [Item() for _ in range(7)]
    alive = [weakref.ref(item) for item in objects]
    items = slice_all([tuple(objects[:1]), tuple(objects[1:])])
    objects.clear()
    seen = Seen(alive)
    trio.lowlevel.add_instrument(seen)
    await free_slowly(items)
    trio.lowlevel.remove_instrument(seen)
    assert list(items) == []
    assert list(dict.fromkeys(seen.counts)) == [4, 1, 0]

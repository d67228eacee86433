from actors.log.log import LogPoint
from actors.log.unseen import Appended, Unseen
from ingest.records.run import Run
from tests.actors.log.records import events


def appended(first: int, *, told: bool = True, returned: bool = False) -> Appended:
    run = Run(1, first, first, 0, events(first, first + 2))
    return Appended(run, LogPoint(first + 2, first + 2), 10, told, returned)


def taken(unseen: Unseen, synced: int | None) -> list[int]:
    point = None if synced is None else LogPoint(synced, synced)
    return [each.run.first for each in unseen.take(point)]


def test_runs_are_shown_in_order_once_their_append_has_returned() -> None:
    unseen = Unseen()
    first, second, third = (appended(at) for at in (0, 2, 4))
    for each in (first, second, third):
        unseen.add(each)
    second.returned = True
    assert taken(unseen, None) == []
    first.returned = True
    assert taken(unseen, None) == [0, 2]
    third.returned = True
    assert taken(unseen, None) == [4]
    assert taken(unseen, None) == []


def test_what_is_told_of_is_synced_first() -> None:
    unseen = Unseen()
    unseen.add(appended(0, told=False, returned=True))
    unseen.add(appended(2, returned=True))
    unseen.add(appended(4, told=False, returned=True))
    assert taken(unseen, 3) == [0]
    assert taken(unseen, 4) == [2, 4]


def test_what_is_not_synced_is_dropped() -> None:
    unseen = Unseen()
    for at in (0, 2, 4):
        unseen.add(appended(at, returned=True))
    unseen.drop(LogPoint(2, 2))
    assert taken(unseen, None) == [0]

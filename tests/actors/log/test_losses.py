import pytest

from actors.log.frames import Stretch
from actors.log.log import LogPoint
from actors.log.losses import Gap, count_readable, find_gaps


def stretch(first: tuple[int, int], end: tuple[int, int]) -> Stretch:
    return Stretch(LogPoint(*first), LogPoint(*end), 0, 0, 0)


@pytest.mark.parametrize(
    ("stretches", "begin", "end", "gaps"),
    [
        ([], (0, 0), (0, 0), []),
        ([], (5, 4), (9, 7), [((5, 4), (9, 7))]),
        ([((0, 0), (5, 4)), ((5, 4), (9, 7))], (0, 0), (9, 7), []),
        ([((0, 0), (5, 4)), ((6, 4), (9, 7))], (0, 0), (9, 7), [((5, 4), (6, 4))]),
        ([((3, 2), (9, 7))], (0, 0), (9, 7), [((0, 0), (3, 2))]),
        ([((0, 0), (9, 7))], (5, 4), (8, 6), []),
        ([((0, 0), (9, 7))], (0, 0), (20, 15), [((9, 7), (20, 15))]),
    ],
)
def test_gaps(
    stretches: list[tuple[tuple[int, int], tuple[int, int]]],
    begin: tuple[int, int],
    end: tuple[int, int],
    gaps: list[tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    found = find_gaps([stretch(*each) for each in stretches], LogPoint(*begin), LogPoint(*end))
    assert list(found) == [Gap(LogPoint(*first), LogPoint(*last)) for first, last in gaps]


@pytest.mark.parametrize(
    ("committed", "events"), [((0, 0), 6), ((6, 4), 6), ((8, 6), 4), ((20, 10), 0), ((30, 20), 0)]
)
def test_what_the_store_has_is_not_counted(committed: tuple[int, int], events: int) -> None:
    gap = Gap(LogPoint(6, 4), LogPoint(20, 10))
    assert gap.events_beyond(LogPoint(*committed)) == events
    assert count_readable([stretch((6, 4), (20, 10))], LogPoint(*committed)) == events

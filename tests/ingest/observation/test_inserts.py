import pytest

from ingest.observation.inserts import INSERTS, RecentInserts, Spread, spread


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7], Spread(7, 7, 7)),
        ([2, 1], Spread(1, 2, 2)),
        ([3, 1, 2], Spread(2, 3, 3)),
        (list(range(100, 0, -1)), Spread(50, 95, 100)),
        ([1] * 19 + [9], Spread(1, 1, 9)),
        ([1] * 18 + [9] * 2, Spread(1, 9, 9)),
    ],
)
def test_spread(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


def test_remembers_the_last_of_each_table() -> None:
    inserts = RecentInserts()
    assert inserts.summaries() == {}
    inserts.note("sessions_v2", 5, 60.0)
    for number in range(INSERTS):
        inserts.note("sessions_v2", 10, 0.25)
        if number < 3:
            inserts.note("events_v2", number, 1.0)
    summaries = inserts.summaries()
    assert list(summaries) == ["events_v2", "sessions_v2"]
    assert summaries["events_v2"].inserts == 3
    assert summaries["events_v2"].rows == Spread(1, 2, 2)
    assert summaries["sessions_v2"].inserts == INSERTS
    assert summaries["sessions_v2"].seconds == Spread(0.25, 0.25, 0.25)

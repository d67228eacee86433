import pytest

from ingest.engine.salt_agreement import DailySalt
from ingest.engine.salts_file import parse_agreed, serialise_agreed
from ingest.sessions import salts
from ingest.sessions.salts import Salt, Salts
from tests.examples import NOON

DAY = 86_400
AGREED = [DailySalt(NOON // DAY + n, bytes([n]) * 16, NOON + n * DAY - 3600) for n in range(3)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_dates_are_kept(count: int) -> None:
    assert parse_agreed(serialise_agreed(AGREED[:count], NOON // DAY + 2)) == AGREED[:count]


@pytest.mark.parametrize(
    ("today", "current", "previous"),
    [
        pytest.param(2, 2, 1, id="the two newest"),
        pytest.param(1, 1, 0, id="not the one for tomorrow"),
        pytest.param(0, 0, None, id="only one has begun"),
        pytest.param(-1, 2, 1, id="none has begun"),
    ],
)
def test_a_single_process_finds_the_two_newest(
    today: int, current: int, previous: int | None
) -> None:
    found = [
        None if number is None else Salt(AGREED[number].key, AGREED[number].created_at)
        for number in (current, previous)
    ]
    text = serialise_agreed(AGREED, NOON // DAY + today)
    assert found[0] is not None
    assert salts.parse(text) == Salts(found[0], found[1])
    assert parse_agreed(text) == AGREED


def test_the_salts_of_a_single_process_are_those_of_the_dates_on_which_they_were_made() -> None:
    text = salts.serialise(Salts(Salt(bytes(16), NOON)))
    assert parse_agreed(text) == [DailySalt(NOON // DAY, bytes(16), NOON)]


@pytest.mark.parametrize("entry", ["{}", "1", '{"day": 1, "key": "ab", "created_at": 2}'])
def test_damaged_entries_are_refused(entry: str) -> None:
    text = (
        serialise_agreed(AGREED[:1], NOON // DAY).rstrip("}\n").rsplit("[", 1)[0] + f"[{entry}]}}"
    )
    with pytest.raises(ValueError, match="a salt needs a day"):
        parse_agreed(text)

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
    assert parse_agreed(serialise_agreed(AGREED[:count])) == AGREED[:count]


def test_a_single_process_finds_the_two_newest() -> None:
    newest = Salt(AGREED[2].key, AGREED[2].created_at), Salt(AGREED[1].key, AGREED[1].created_at)
    assert salts.parse(serialise_agreed(AGREED)) == Salts(*newest)


def test_the_salts_of_a_single_process_are_those_of_the_dates_on_which_they_were_made() -> None:
    text = salts.serialise(Salts(Salt(bytes(16), NOON)))
    assert parse_agreed(text) == [DailySalt(NOON // DAY, bytes(16), NOON)]


@pytest.mark.parametrize("entry", ["{}", "1", '{"day": 1, "key": "ab", "created_at": 2}'])
def test_damaged_entries_are_refused(entry: str) -> None:
    text = serialise_agreed(AGREED[:1]).rstrip("}\n").rsplit("[", 1)[0] + f"[{entry}]}}"
    with pytest.raises(ValueError, match="a salt needs a day"):
        parse_agreed(text)

import pytest

from ingest.plausible.salts import salts_in_force
from ingest.plausible.tables import StoredSalt
from ingest.sessions.salts import Salt, Salts
from tests.examples import NOON

KEY, OLD = b"k" * 16, b"o" * 16
HOUR = 3600


@pytest.mark.parametrize(
    ("stored", "salts", "notes"),
    [
        pytest.param([], None, ["Plausible has no salts"], id="none"),
        pytest.param(
            [StoredSalt(KEY, NOON - 12 * HOUR)],
            Salts(Salt(KEY, NOON - 12 * HOUR)),
            [],
            id="one of today",
        ),
        pytest.param(
            [StoredSalt(KEY, NOON - 12 * HOUR), StoredSalt(OLD, NOON - 36 * HOUR)],
            Salts(Salt(KEY, NOON - 12 * HOUR), Salt(OLD, NOON - 36 * HOUR)),
            [],
            id="two",
        ),
        pytest.param(
            [StoredSalt(KEY, NOON), StoredSalt(OLD, NOON - 49 * HOUR)],
            Salts(Salt(KEY, NOON)),
            ["the previous salt is older than 48 hours"],
            id="an old one",
        ),
        pytest.param(
            [StoredSalt(KEY, NOON - 49 * HOUR)],
            None,
            ["the current salt is older than 48 hours"],
            id="only an old one",
        ),
        pytest.param(
            [StoredSalt(b"short", NOON), StoredSalt(OLD, NOON - HOUR)],
            None,
            ["the current salt has 5 bytes, not 16"],
            id="not a key",
        ),
        pytest.param(
            [StoredSalt(KEY, NOON - 13 * HOUR)],
            Salts(Salt(KEY, NOON - 13 * HOUR)),
            [
                "the current salt is of 2026-09-21: Sluice makes a new one when it starts, and "
                "visitors have new ids from then on"
            ],
            id="of yesterday",
        ),
    ],
)
def test_salts_in_force(stored: list[StoredSalt], salts: Salts | None, notes: list[str]) -> None:
    assert salts_in_force(stored, NOON) == (salts, tuple(notes))


def test_keys_are_not_shown() -> None:
    assert "k" * 4 not in repr(StoredSalt(KEY, NOON))

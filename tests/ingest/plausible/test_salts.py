import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.plausible.salts import follow, rotates, salts_in_force
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


MIDNIGHT = NOON - 12 * HOUR
TODAY, YESTERDAY, BEFORE = (
    Salt(bytes([number]) * 16, MIDNIGHT - number * 24 * HOUR + 1) for number in range(3)
)
OURS = Salt(OLD, NOON - HOUR)
OURS_OF_YESTERDAY = Salt(OLD, NOON - 24 * HOUR)
PLAUSIBLES = Salts(TODAY, YESTERDAY)


@pytest.mark.parametrize(
    ("salts", "theirs", "now", "expected"),
    [
        pytest.param(None, PLAUSIBLES, NOON, PLAUSIBLES, id="the first start"),
        pytest.param(PLAUSIBLES, PLAUSIBLES, NOON, PLAUSIBLES, id="no change"),
        pytest.param(
            Salts(YESTERDAY, BEFORE), PLAUSIBLES, MIDNIGHT + 3, PLAUSIBLES, id="Plausible rotates"
        ),
        pytest.param(
            Salts(YESTERDAY, BEFORE), PLAUSIBLES, MIDNIGHT - 5, PLAUSIBLES, id="its clock is ahead"
        ),
        pytest.param(
            Salts(YESTERDAY, BEFORE),
            Salts(YESTERDAY, BEFORE),
            MIDNIGHT - 1,
            Salts(YESTERDAY, BEFORE),
            id="before midnight",
        ),
        pytest.param(
            Salts(YESTERDAY, BEFORE),
            Salts(YESTERDAY, BEFORE),
            MIDNIGHT + 599,
            Salts(YESTERDAY),
            id="Plausible is late, and the previous salt is 48 hours old",
        ),
        pytest.param(
            Salts(YESTERDAY),
            Salts(YESTERDAY),
            MIDNIGHT + 600,
            Salts(Salt(KEY, MIDNIGHT + 600), YESTERDAY),
            id="Plausible has stopped",
        ),
        pytest.param(
            Salts(OURS, YESTERDAY), Salts(YESTERDAY), NOON, Salts(OURS, YESTERDAY), id="our own day"
        ),
        pytest.param(
            Salts(OURS_OF_YESTERDAY),
            Salts(BEFORE),
            MIDNIGHT,
            Salts(Salt(KEY, MIDNIGHT), OURS_OF_YESTERDAY),
            id="our own rotation",
        ),
        pytest.param(
            Salts(OURS, YESTERDAY),
            PLAUSIBLES,
            NOON,
            Salts(TODAY, OURS),
            id="Plausible goes on: visits with our salt are found",
        ),
        pytest.param(
            Salts(OURS_OF_YESTERDAY), None, NOON, Salts(Salt(KEY, NOON), OURS_OF_YESTERDAY), id="no"
        ),
        pytest.param(None, Salts(YESTERDAY), NOON, Salts(Salt(KEY, NOON)), id="none and stopped"),
        pytest.param(
            Salts(OURS),
            Salts(Salt(b"f" * 16, NOON + 601)),
            NOON,
            Salts(OURS),
            id="a salt from the future",
        ),
    ],
)
def test_follow(salts: Salts | None, theirs: Salts | None, now: int, expected: Salts) -> None:
    assert follow(salts, theirs, KEY, now) == expected


@given(st.lists(st.tuples(st.integers(0, 5 * 24 * 60), st.booleans(), st.booleans()), max_size=60))
def test_no_salt_is_in_force_for_longer_than_it_may(
    steps: list[tuple[int, bool, bool]],
) -> None:
    """Whatever Plausible does: rotates at any time, stops, or is away."""
    now = float(MIDNIGHT)
    theirs: list[StoredSalt] = []
    salts: Salts | None = None
    for made, (minutes, rotated, reachable) in enumerate(steps):
        now += minutes * 60
        if rotated:
            theirs.insert(0, StoredSalt(b"p" * 8 + made.to_bytes(8), int(now)))
        known = salts_in_force(theirs[:2], now)[0] if reachable else None
        salts = follow(salts, known, bytes(8) + made.to_bytes(8), now)
        assert now - salts.current.created_at <= 24 * HOUR + 600
        assert salts.previous is None or now - salts.previous.created_at <= 48 * HOUR
        assert salts.previous is None or salts.previous.key != salts.current.key
        if rotates(known, now):
            assert known is not None
            assert salts.current == known.current

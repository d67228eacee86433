import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.engine.salt_agreement import (
    DailySalt,
    SaltAgreement,
    daily_salts,
    decode_salt,
    encode_salt,
)
from ingest.sessions.salts import LIFETIME, Salt, Salts
from tests.examples import NOON

HOUR = 3600
DAY = 24 * HOUR
MIDNIGHT = NOON - 12 * HOUR
TODAY = MIDNIGHT // DAY
LATE = MIDNIGHT - HOUR + 60
"""When the salt of today is usually made."""


def a_salt(day: int, key: int = 0, *, created_at: int | None = None) -> DailySalt:
    made = day * DAY - HOUR + 60 if created_at is None else created_at
    return DailySalt(day, bytes([key]) * 16, made)


YESTERDAYS, TODAYS, TOMORROWS = (a_salt(TODAY + n, n + 1) for n in (-1, 0, 1))


def agreed(*salts: DailySalt, jitter: float = 0.0) -> SaltAgreement:
    agreement = SaltAgreement(jitter)
    for salt in salts:
        assert agreement.apply(salt, salt.created_at + 1)
    return agreement


def keys(salts: Salts | None) -> list[bytes] | None:
    if salts is None:
        return None
    return [salt.key for salt in (salts.current, salts.previous) if salt is not None]


def test_the_first_record_for_a_date_wins() -> None:
    agreement = agreed(TODAYS)

    assert not agreement.apply(a_salt(TODAY, 9), LATE + 2)

    assert agreement.agreed == [TODAYS]


@pytest.mark.parametrize(
    ("salt", "append_time", "taken"),
    [
        pytest.param(TOMORROWS, TOMORROWS.created_at, True, id="for tomorrow"),
        pytest.param(a_salt(TODAY, created_at=NOON), NOON, True, id="for today"),
        pytest.param(
            a_salt(TODAY - 1, created_at=MIDNIGHT - 1), MIDNIGHT + 5, True, id="arrives late"
        ),
        pytest.param(a_salt(TODAY + 2, created_at=NOON), NOON, False, id="for a later date"),
        pytest.param(a_salt(TODAY - 2, created_at=NOON), NOON, False, id="for an earlier date"),
        pytest.param(
            a_salt(TODAY, created_at=MIDNIGHT - DAY), NOON, True, id="lives until its date ends"
        ),
        pytest.param(
            a_salt(TODAY, created_at=MIDNIGHT - DAY - 1), NOON, False, id="dies on its date"
        ),
    ],
)
def test_records_of_wrong_clocks_are_left_out(
    salt: DailySalt, append_time: int, taken: bool
) -> None:
    assert SaltAgreement().apply(salt, append_time) is taken


def test_a_record_that_was_left_out_does_not_stand_in_the_way() -> None:
    agreement = SaltAgreement()
    agreement.apply(a_salt(TODAY, 9, created_at=0), LATE)

    assert agreement.apply(TODAYS, LATE)


def test_a_salt_from_the_future_counts_as_made_when_it_was_appended() -> None:
    agreement = SaltAgreement()

    agreement.apply(a_salt(TODAY, created_at=NOON + DAY), NOON)

    assert [salt.created_at for salt in agreement.agreed] == [NOON]


@pytest.mark.parametrize(
    ("salts", "received", "expected"),
    [
        pytest.param([], NOON, None, id="none"),
        pytest.param([TODAYS], NOON, [TODAYS], id="the first day"),
        pytest.param([YESTERDAYS, TODAYS], NOON, [TODAYS, YESTERDAYS], id="two days"),
        pytest.param(
            [YESTERDAYS, TODAYS, TOMORROWS], NOON, [TODAYS, YESTERDAYS], id="not yet tomorrow's"
        ),
        pytest.param(
            [YESTERDAYS, TODAYS, TOMORROWS],
            MIDNIGHT + DAY - 1,
            [TODAYS],
            id="no previous one in the last hour",
        ),
        pytest.param(
            [YESTERDAYS, TODAYS, TOMORROWS],
            MIDNIGHT + DAY,
            [TOMORROWS, TODAYS],
            id="tomorrow's from midnight",
        ),
        pytest.param(
            [YESTERDAYS, TODAYS],
            MIDNIGHT - 1,
            [YESTERDAYS],
            id="an event received before midnight",
        ),
        pytest.param([YESTERDAYS], NOON, [YESTERDAYS], id="no agreement yet: the old one stays"),
        pytest.param(
            [YESTERDAYS], YESTERDAYS.deleted_at - 1, [YESTERDAYS], id="the old one, to the end"
        ),
        pytest.param(
            [YESTERDAYS], YESTERDAYS.deleted_at, None, id="no agreement, the old one deleted"
        ),
        pytest.param([TOMORROWS], NOON, None, id="only tomorrow's"),
    ],
)
def test_salts_by_receive_time(
    salts: list[DailySalt], received: int, expected: list[DailySalt] | None
) -> None:
    found = agreed(*salts).salts_at(received)

    assert keys(found) == (None if expected is None else [salt.key for salt in expected])


@given(
    st.lists(st.sampled_from([YESTERDAYS, TODAYS, TOMORROWS]), unique=True),
    st.lists(st.integers(MIDNIGHT - DAY, MIDNIGHT + 4 * DAY), max_size=9),
)
def test_the_order_of_questions_does_not_matter(salts: list[DailySalt], times: list[int]) -> None:
    agreement = agreed(*salts)

    for time in times:
        assert agreement.salts_at(time) == agreed(*salts).salts_at(time)


def test_new_salts_are_in_force_at_once() -> None:
    agreement = agreed(YESTERDAYS)
    assert keys(agreement.salts_at(NOON)) == [YESTERDAYS.key]

    agreement.apply(a_salt(TODAY, 7, created_at=NOON), NOON)
    assert keys(agreement.salts_at(NOON)) == [bytes([7]) * 16, YESTERDAYS.key]

    agreement.expire(YESTERDAYS.deleted_at)
    assert keys(agreement.salts_at(NOON)) == [bytes([7]) * 16]


@pytest.mark.parametrize(
    ("salts", "now", "jitter", "due"),
    [
        pytest.param([], NOON, 0, TODAY, id="none for today"),
        pytest.param([YESTERDAYS], MIDNIGHT, 0, TODAY, id="none for the day that begins"),
        pytest.param([TODAYS], MIDNIGHT + 23 * HOUR - 1, 0, None, id="not before 23:00"),
        pytest.param([TODAYS], MIDNIGHT + 23 * HOUR, 0, TODAY + 1, id="from 23:00"),
        pytest.param([TODAYS], MIDNIGHT + 23 * HOUR + 99, 100, None, id="not before the jitter"),
        pytest.param([TODAYS], MIDNIGHT + 23 * HOUR + 100, 100, TODAY + 1, id="after the jitter"),
        pytest.param([TODAYS, TOMORROWS], MIDNIGHT + DAY - 1, 0, None, id="another was faster"),
    ],
)
def test_proposals(salts: list[DailySalt], now: int, jitter: float, due: int | None) -> None:
    assert agreed(*salts, jitter=jitter).proposal_due(now) == due


PLAUSIBLES = Salt(b"p" * 16, MIDNIGHT + 1)


@pytest.mark.parametrize(
    ("salts", "theirs", "now", "proposed"),
    [
        pytest.param([YESTERDAYS], PLAUSIBLES, MIDNIGHT + 3, b"p", id="Plausible's"),
        pytest.param([TODAYS], PLAUSIBLES, NOON, None, id="another was agreed on"),
        pytest.param([YESTERDAYS], None, MIDNIGHT + 599, None, id="it is awaited"),
        pytest.param(
            [YESTERDAYS], Salt(b"y" * 16, MIDNIGHT - 5), MIDNIGHT + 599, None, id="yesterday's"
        ),
        pytest.param([YESTERDAYS], None, MIDNIGHT + 600, b"k", id="it was awaited in vain"),
        pytest.param([], None, MIDNIGHT + 3, b"k", id="events need a salt"),
        pytest.param([TODAYS], PLAUSIBLES, MIDNIGHT + DAY - 5, None, id="none for tomorrow"),
        pytest.param(
            [TODAYS], Salt(b"t" * 16, MIDNIGHT + DAY), MIDNIGHT + DAY - 5, b"t", id="clock ahead"
        ),
    ],
)
def test_proposals_of_fronts_that_follow_plausible(
    salts: list[DailySalt], theirs: Salt | None, now: int, proposed: bytes | None
) -> None:
    proposal = agreed(*salts).proposal(now, b"k" * 16, theirs, 600)
    assert (proposal and proposal.key[:1]) == proposed


@pytest.mark.parametrize(
    ("theirs", "overruled"),
    [
        (Salt(TODAYS.key, MIDNIGHT + 1), False),
        (PLAUSIBLES, True),
        (Salt(b"p" * 16, MIDNIGHT - DAY), False),
    ],
    ids=["the same", "another", "of another date"],
)
def test_another_salt_than_plausibles(theirs: Salt, overruled: bool) -> None:
    assert agreed(TODAYS).overrules(theirs) == overruled


def test_the_proposal_of_plausibles_salt_is_taken() -> None:
    agreement = agreed(YESTERDAYS)
    proposal = agreement.proposal(MIDNIGHT + 3, b"k" * 16, PLAUSIBLES, 600)
    assert proposal is not None
    assert agreement.apply(proposal, MIDNIGHT + 4)
    found = agreement.salts_at(MIDNIGHT + 4)
    assert found is not None
    assert found.current == PLAUSIBLES


def test_salts_are_deleted_after_48_hours() -> None:
    agreement = agreed(YESTERDAYS, TODAYS)

    assert not agreement.expire(YESTERDAYS.created_at + LIFETIME - 1)
    assert agreement.expire(YESTERDAYS.created_at + LIFETIME)

    assert agreement.agreed == [TODAYS]


def test_restores_what_was_agreed_on() -> None:
    agreement = agreed(YESTERDAYS, TODAYS)
    restored = SaltAgreement()

    for salt in agreement.agreed:
        restored.restore(salt)

    assert restored.agreed == agreement.agreed
    assert restored.salts_at(NOON) == agreement.salts_at(NOON)


def test_the_topic_wins_over_the_disk() -> None:
    agreement = SaltAgreement()
    agreement.restore(a_salt(TODAY, 9))

    assert agreement.apply(TODAYS, LATE)
    agreement.restore(a_salt(TODAY, 9))
    assert not agreement.apply(a_salt(TODAY, 9), LATE)

    assert agreement.agreed == [TODAYS]


@given(st.integers(), st.binary(min_size=16, max_size=16), st.integers())
def test_reads_what_was_written(day: int, key: bytes, created_at: int) -> None:
    if not (-(2**63) <= day < 2**63 and -(2**63) <= created_at < 2**63):
        return
    salt = DailySalt(day, key, created_at)

    assert decode_salt(encode_salt(salt)) == salt


GOOD = json.loads(encode_salt(TODAYS))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "not a salt: expected"),
        (GOOD | {"day": "x"}, "not a salt: expected"),
        (GOOD | {"key": "5ec4e7" * 3}, "not a salt: its key is not 16 bytes"),
        (GOOD | {"key": "5ec4e7_not_hexadecimal_0"}, "not a salt: its key is not 16 bytes"),
        (GOOD | {"version": 2}, "salt version 2 is not known, only 1"),
    ],
)
def test_refuses_what_is_no_salt_and_shows_no_key(document: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        decode_salt(json.dumps(document).encode())

    assert "5ec4e7" not in str(caught.value)


def test_a_key_is_not_shown() -> None:
    assert TODAYS.key.hex() not in repr(TODAYS)
    assert repr(TODAYS.key) not in repr(TODAYS)


@pytest.mark.parametrize(
    ("current", "previous", "days"),
    [
        pytest.param(MIDNIGHT, None, [TODAY], id="one"),
        pytest.param(MIDNIGHT, MIDNIGHT - DAY, [TODAY - 1, TODAY], id="two"),
        pytest.param(NOON, MIDNIGHT, [TODAY], id="two of one date"),
    ],
)
def test_takes_the_salts_of_a_single_process(
    current: int, previous: int | None, days: list[int]
) -> None:
    old = None if previous is None else Salt(b"p" * 16, previous)
    salts = Salts(Salt(b"c" * 16, current), old)

    taken = daily_salts(salts)

    assert [salt.day for salt in taken] == days
    assert taken[-1].key == b"c" * 16
    agreement = SaltAgreement()
    for salt in taken:
        assert agreement.apply(salt, NOON + 60)
    assert keys(agreement.salts_at(NOON + 60)) == [salt.key for salt in reversed(taken)]

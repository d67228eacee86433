import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sessions.salts import (
    LIFETIME,
    Salt,
    Salts,
    expire,
    fresh_key,
    next_rotation,
    parse,
    rotate,
    rotation_due,
    serialise,
    start,
)

DAY = 86_400
MIDNIGHT = 20_000 * DAY
HOUR = 3600
A, B, NEW = (bytes([letter]) * 16 for letter in b"abn")


def test_a_salt_does_not_show_its_key() -> None:
    text = repr(Salts(Salt(A, 1), Salt(B, 0))) + str(Salt(A, 1))

    assert "aaaa" not in text
    assert "bbbb" not in text


@pytest.mark.parametrize("key", [b"", b"a" * 15, b"a" * 17])
def test_a_key_has_16_bytes(key: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Salt(key, 0)


def test_fresh_keys_are_keys_and_differ() -> None:
    assert Salt(fresh_key(), 0) != Salt(fresh_key(), 0)


def test_starts_with_nothing() -> None:
    assert start(None, NEW, MIDNIGHT + 0.9) == Salts(Salt(NEW, MIDNIGHT))


@pytest.mark.parametrize(
    ("saved", "now", "expected"),
    [
        pytest.param(
            Salts(Salt(A, MIDNIGHT), Salt(B, MIDNIGHT - DAY)),
            MIDNIGHT + DAY - 1,
            Salts(Salt(A, MIDNIGHT), Salt(B, MIDNIGHT - DAY)),
            id="same day: as they were",
        ),
        pytest.param(
            Salts(Salt(A, MIDNIGHT - HOUR)),
            MIDNIGHT,
            Salts(Salt(NEW, MIDNIGHT), Salt(A, MIDNIGHT - HOUR)),
            id="down over midnight: rotated at once",
        ),
        pytest.param(
            Salts(Salt(A, MIDNIGHT - DAY), Salt(B, MIDNIGHT - 2 * DAY)),
            MIDNIGHT,
            Salts(Salt(NEW, MIDNIGHT), Salt(A, MIDNIGHT - DAY)),
            id="the one before is forgotten",
        ),
        pytest.param(
            Salts(Salt(A, MIDNIGHT)),
            MIDNIGHT + LIFETIME,
            Salts(Salt(NEW, MIDNIGHT + LIFETIME), Salt(A, MIDNIGHT)),
            id="48 h old: still honoured",
        ),
        pytest.param(
            Salts(Salt(A, MIDNIGHT)),
            MIDNIGHT + LIFETIME + 1,
            Salts(Salt(NEW, MIDNIGHT + LIFETIME + 1)),
            id="older than 48 h: forgotten",
        ),
        pytest.param(
            Salts(Salt(A, MIDNIGHT), Salt(B, MIDNIGHT - LIFETIME)),
            MIDNIGHT + HOUR,
            Salts(Salt(A, MIDNIGHT)),
            id="same day, previous too old",
        ),
        pytest.param(
            Salts(Salt(A, MIDNIGHT + 9 * DAY)),
            MIDNIGHT,
            Salts(Salt(NEW, MIDNIGHT), Salt(A, MIDNIGHT)),
            id="made by a clock that ran ahead: rotated",
        ),
    ],
)
def test_starts_with_what_was_saved(saved: Salts, now: float, expected: Salts) -> None:
    assert start(saved, NEW, now) == expected


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (MIDNIGHT, False),
        (MIDNIGHT + DAY - 0.001, False),
        (MIDNIGHT + DAY, True),
        (MIDNIGHT - 1, True),
    ],
)
def test_rotation_is_due_on_another_day(now: float, due: bool) -> None:
    assert rotation_due(Salts(Salt(A, MIDNIGHT)), now) is due


def test_rotates() -> None:
    salts = Salts(Salt(A, MIDNIGHT), Salt(B, MIDNIGHT - DAY))

    rotated = rotate(salts, NEW, MIDNIGHT + DAY + 0.5)

    assert rotated == Salts(Salt(NEW, MIDNIGHT + DAY), Salt(A, MIDNIGHT))
    assert not rotation_due(rotated, MIDNIGHT + DAY + 1)


def test_rotating_after_a_long_sleep_keeps_nothing_old() -> None:
    assert rotate(Salts(Salt(A, MIDNIGHT)), NEW, MIDNIGHT + 3 * DAY).previous is None


@pytest.mark.parametrize(("age", "kept"), [(0, True), (LIFETIME, True), (LIFETIME + 0.5, False)])
def test_the_previous_salt_expires(age: float, kept: bool) -> None:
    salts = Salts(Salt(A, MIDNIGHT), Salt(B, MIDNIGHT - DAY))

    assert (expire(salts, MIDNIGHT - DAY + age).previous is not None) is kept
    assert expire(salts, MIDNIGHT - DAY + age).current == salts.current


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (MIDNIGHT, MIDNIGHT + DAY),
        (MIDNIGHT + 0.5, MIDNIGHT + DAY),
        (MIDNIGHT + DAY - 0.001, MIDNIGHT + DAY),
        (MIDNIGHT - 1, MIDNIGHT),
    ],
)
def test_the_next_rotation_is_at_midnight(now: float, expected: int) -> None:
    assert next_rotation(now) == expected


@given(st.binary(min_size=16, max_size=16), st.integers(), st.none() | st.integers())
def test_what_was_saved_is_read(key: bytes, created_at: int, previous: int | None) -> None:
    salts = Salts(Salt(key, created_at), None if previous is None else Salt(B, previous))

    assert parse(serialise(salts)) == salts


def document(**changes: object) -> str:
    salt = {"key": A.hex(), "created_at": 1}
    return json.dumps({"version": 1, "salts": [salt]} | changes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "not JSON", id="empty"),
        pytest.param("{", "not JSON", id="cut off"),
        pytest.param("[" * 100_000, "not JSON", id="nested deeply"),
        pytest.param("[]", "expected a version", id="list"),
        pytest.param("{}", "expected a version", id="nothing in it"),
        pytest.param(document(version="1"), "expected a version", id="version as text"),
        pytest.param(document(version=2), "format 2 is unknown", id="newer"),
        pytest.param(document(salts=[]), "one or two salts", id="none"),
        pytest.param(document(salts=[1, 2, 3]), "one or two salts", id="three"),
        pytest.param(document(salts=[None]), "needs the text key", id="no salt"),
        pytest.param(document(salts=[{"key": A.hex()}]), "needs the text key", id="no time"),
        pytest.param(
            document(salts=[{"key": A.hex(), "created_at": True}]), "needs", id="time is a flag"
        ),
        pytest.param(
            document(salts=[{"key": A.hex(), "created_at": 1.5}]), "needs", id="time is a fraction"
        ),
        pytest.param(
            document(salts=[{"key": "61" * 15, "created_at": 1}]), "16 bytes", id="short key"
        ),
        pytest.param(
            document(salts=[{"key": "zz" * 16, "created_at": 1}]), "hexadecimal", id="no hex"
        ),
    ],
)
def test_refuses_what_it_did_not_write(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        parse(text)
    message = str(raised.value)
    assert message.startswith("salts: ")
    assert "\n" not in message
    assert A.hex() not in message


@given(st.text())
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="salts: "):
        parse(text)

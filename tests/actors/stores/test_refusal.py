import pytest

from actors.stores.refusal import (
    MESSAGE_CHARACTERS,
    error_code,
    operator_at_fault,
    rows_at_fault,
    shorten,
)


@pytest.mark.parametrize(
    ("code", "rows", "operator"),
    [
        (53, True, False),  # TYPE_MISMATCH
        (16, True, False),  # NO_SUCH_COLUMN_IN_TABLE
        (469, True, False),  # VIOLATED_CONSTRAINT
        (60, False, False),  # UNKNOWN_TABLE
        (159, False, False),  # TIMEOUT_EXCEEDED
        (241, False, False),  # MEMORY_LIMIT_EXCEEDED
        (252, False, False),  # TOO_MANY_PARTS
        (516, False, True),  # AUTHENTICATION_FAILED
        (497, False, True),  # ACCESS_DENIED
        (99999, False, False),
        (None, False, False),
    ],
)
def test_whose_fault(code: int | None, rows: bool, operator: bool) -> None:
    assert rows_at_fault(code) is rows
    assert operator_at_fault(code) is operator


@pytest.mark.parametrize(
    ("message", "code", "short"),
    [
        ("plain", None, "plain"),
        (
            "Code: 164.\nDB::Exception: Cannot do. Stack trace:\n\n0. x @ 0x0",
            164,
            "Cannot do.",
        ),
        (
            "Code: 164. DB::Exception: Code: 164. DB::Exception: Cannot modify 'readonly' setting "
            "in readonly mode. (READONLY) (version 26.9.2.1). (READONLY)",
            164,
            "Cannot modify 'readonly' setting in readonly mode. (READONLY)",
        ),
        (
            "Failed to create: Code: 36. DB::Exception: bad. (BAD_ARGUMENTS)",
            36,
            "bad. (BAD_ARGUMENTS)",
        ),
    ],
)
def test_messages(message: str, code: int | None, short: str) -> None:
    assert error_code(message) == code
    assert shorten(message) == short


def test_long_messages_are_cut() -> None:
    assert shorten("x" * MESSAGE_CHARACTERS) == "x" * MESSAGE_CHARACTERS
    assert shorten("x" * 9999) == "x" * (MESSAGE_CHARACTERS - 1) + "…"

import pytest

from actors.stores.refusal import (
    MESSAGE_CHARACTERS,
    error_code,
    operator_at_fault,
    rows_at_fault,
    shorten,
    tables_at_fault,
)


@pytest.mark.parametrize(
    ("code", "at_fault"),
    [
        (53, {"rows"}),  # TYPE_MISMATCH
        (469, {"rows"}),  # VIOLATED_CONSTRAINT
        (16, {"tables"}),  # NO_SUCH_COLUMN_IN_TABLE
        (60, {"tables"}),  # UNKNOWN_TABLE
        (81, {"tables", "operator"}),  # UNKNOWN_DATABASE
        (159, set()),  # TIMEOUT_EXCEEDED
        (241, set()),  # MEMORY_LIMIT_EXCEEDED
        (243, set()),  # NOT_ENOUGH_SPACE
        (252, set()),  # TOO_MANY_PARTS
        (516, {"operator"}),  # AUTHENTICATION_FAILED
        (497, {"operator"}),  # ACCESS_DENIED
        (99999, set()),
        (None, set()),
    ],
)
def test_whose_fault(code: int | None, at_fault: set[str]) -> None:
    judges = {"rows": rows_at_fault, "tables": tables_at_fault, "operator": operator_at_fault}
    assert {name for name, judge in judges.items() if judge(code)} == at_fault


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

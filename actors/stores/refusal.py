"""What an error of ClickHouse means for the rows of an insert."""

import re

_ROWS_AT_FAULT = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        7,  # INCORRECT_NUMBER_OF_COLUMNS
        9,  # SIZES_OF_COLUMNS_DOESNT_MATCH
        15,  # DUPLICATE_COLUMN
        20,  # NUMBER_OF_COLUMNS_DOESNT_MATCH
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        36,  # BAD_ARGUMENTS
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        43,  # ILLEGAL_TYPE_OF_ARGUMENT
        44,  # ILLEGAL_COLUMN
        50,  # UNKNOWN_TYPE
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
    }
)

_TABLES_AT_FAULT = frozenset(
    {
        8,  # THERE_IS_NO_COLUMN
        10,  # NOT_FOUND_COLUMN_IN_BLOCK
        16,  # NO_SUCH_COLUMN_IN_TABLE
        47,  # UNKNOWN_IDENTIFIER
        60,  # UNKNOWN_TABLE
        81,  # UNKNOWN_DATABASE
        218,  # TABLE_IS_DROPPED
    }
)

_OPERATOR_AT_FAULT = frozenset(
    {
        81,  # UNKNOWN_DATABASE
        164,  # READONLY
        192,  # UNKNOWN_USER
        193,  # WRONG_PASSWORD
        194,  # REQUIRED_PASSWORD
        195,  # IP_ADDRESS_NOT_ALLOWED
        497,  # ACCESS_DENIED
        516,  # AUTHENTICATION_FAILED
    }
)

MESSAGE_CHARACTERS = 500


def rows_at_fault(code: int | None) -> bool:
    """Whether these rows will never be accepted.

    All other errors count as temporary, including unknown ones: endless retries of a bad insert
    show in readiness, while setting good rows aside would lose their order.
    """
    return code in _ROWS_AT_FAULT


def tables_at_fault(code: int | None) -> bool:
    """Whether the tables have changed since they were inspected, and must be migrated again."""
    return code in _TABLES_AT_FAULT


def operator_at_fault(code: int | None) -> bool:
    """Whether the operator must change the URL or the server's privileges."""
    return code in _OPERATOR_AT_FAULT


def error_code(message: str) -> int | None:
    """The error code in a message of ClickHouse; None if there is none."""
    match = re.search(r"\bCode: (\d+)\b", message)
    return int(match[1]) if match else None


def shorten(message: str) -> str:
    """ClickHouse's message in one line, without prefixes, stack trace and version."""
    text = message.partition("Stack trace")[0]
    text = re.sub(r"^.*?\bCode: \d+\.\s*|\bCode: \d+\.\s*|\bDB::Exception: ", "", text, count=0)
    text = re.sub(r"\s*\(version [^)]*\)", "", text)
    # The name of the error is repeated at each level of nesting.
    text = re.sub(r"(\.? \([A-Z_]{3,}\))(?:\1)+", r"\1", " ".join(text.split()))
    return text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…"

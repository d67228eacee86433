"""Rows as blocks of ClickHouse's Native format: column after column, in binary.

Values have these types: seconds since 1970 for DateTime, days since 1970 for Date, `str` for
strings, a tuple of `str` for Array(String), `Decimal` or None for Nullable(Decimal). LowCardinality
columns are written as their inner type; ClickHouse converts them.
"""

import re
import struct
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache, partial
from itertools import accumulate, chain
from operator import itemgetter
from typing import Any

from ingest.rows.schema import Column

ROWS_PER_BLOCK = 250
"""Small enough for a block to be encoded in a millisecond, during which other threads wait.

It must not change: ClickHouse recognises a repeated insert by its token and the number of its
blocks, and the process that repeats it may be of another version."""

KNOWN_ENUMS = 1024
"""How many encoded values of a LowCardinality column are kept from block to block."""

KNOWN_ENUM_BYTES = 128
"""How long they may be: the name of an event can have many times as many."""

Row = tuple[Any, ...]
Cells = Sequence[Any]
Encoder = Callable[[Cells], bytes]

_ENUM = "LowCardinality(String)"
_INTEGERS = {
    "Date": "H",
    "DateTime": "I",
    "UInt8": "B",
    "UInt16": "H",
    "UInt32": "I",
    "UInt64": "Q",
    "Int8": "b",
    "Int32": "i",
}
_MAX_DIGITS = 10**18  # Decimal(18, …) holds fewer than 10^18 units of its last digit.
_VARINT_1 = tuple(bytes((n,)) for n in range(0x80))


class _Lengths(dict[int, str]):
    """Characters that stand for the bytes of a length; those of long texts are not kept."""

    def __missing__(self, length: int) -> str:
        return _varint(length).decode("latin-1")


_LENGTHS = _Lengths({length: chr(length) for length in range(0x80)})


class RowNotEncodableError(ValueError):
    """A value does not fit its column. The message names the column and never shows the value."""


def encode_block(
    columns: Sequence[Column], rows: Sequence[Row], left_out: Collection[str] = ()
) -> bytes:
    """Encode rows as one block.

    The same rows always give the same bytes, so that a repeated insert is recognised.

    Args:
        columns: The rows' layout.
        rows: At least one.
        left_out: Names of columns that the block must not hold.

    Raises:
        RowNotEncodableError: A row is too long or short, or a value does not fit its column.
    """
    try:
        cells = tuple(zip(*rows, strict=True))
    except ValueError:
        raise RowNotEncodableError("rows differ in length") from None
    if len(cells) != len(columns):
        raise RowNotEncodableError(f"{len(columns)} values a row are needed, not {len(cells)}")
    chosen = [pair for pair in zip(columns, cells, strict=True) if pair[0].name not in left_out]
    parts = [_varint(len(chosen)), _varint(len(rows))]
    for column, values in chosen:
        header, encoder = _prepared(column.name, column.type)
        parts.append(header)
        try:
            parts.append(encoder(values))
        except (ArithmeticError, AttributeError, TypeError, ValueError, struct.error):
            # Not chained: the cause's message may show the value.
            raise RowNotEncodableError(
                f"a value of {column.name} does not fit {column.type}"
            ) from None
    return b"".join(parts)


@lru_cache(maxsize=256)
def _prepared(name: str, column_type: str) -> tuple[bytes, Encoder]:
    """A column's header (name and type) and the function that encodes its values."""
    bare = re.sub(r"^LowCardinality\((.+)\)$", r"\1", column_type)
    encoder = _encoder(bare) if column_type != _ENUM else partial(_enums, {})
    return _text(name) + _text(bare), encoder


def _encoder(column_type: str) -> Encoder:
    """The function that encodes a column of this type.

    Raises:
        LookupError: No column of the tables has this type.
    """
    if column_type in _INTEGERS:
        return partial(_integers, _INTEGERS[column_type])
    if column_type == "String":
        return _strings
    if column_type == "Array(String)":
        return _arrays
    if match := re.fullmatch(r"FixedString\((\d+)\)", column_type):
        return partial(_fixed_strings, int(match[1]))
    if match := re.fullmatch(r"Nullable\(Decimal\(18, ?(\d+)\)\)", column_type):
        return _nullable(partial(_decimals, int(match[1])), Decimal())
    if match := re.fullmatch(r"Nullable\((\w+)\)", column_type):
        return _nullable(_encoder(match[1]), 0)
    raise LookupError(f"no encoding for {column_type}")


def _integers(code: str, values: Cells) -> bytes:
    return struct.pack(f"<{len(values)}{code}", *values)


def _strings(values: Cells) -> bytes:
    if not values:  # of arrays that are all empty
        return b""
    first = values[0]
    if _all_are(first, values):
        return _text(first) * len(values)
    try:
        # Mostly each length and each character takes one byte.
        return _interleave(bytes(map(len, values)).decode("ascii"), values).encode("ascii")
    except ValueError:
        # In general, a character stands for a byte. So a text has as many of them as bytes.
        texts = [value if value.isascii() else _bytes(value).decode("latin-1") for value in values]
        return _interleave(itemgetter(*map(len, texts))(_LENGTHS), texts).encode("latin-1")


def _interleave(lengths: Sequence[str], texts: Sequence[str]) -> str:
    parts = [""] * (2 * len(texts))
    parts[::2] = lengths
    parts[1::2] = texts
    return "".join(parts)


def _enums(known: dict[str, bytes], values: Cells) -> bytes:
    """As `_strings`, for a column of few distinct values.

    Args:
        known: Encoded values of the column's earlier blocks.
        values: The column's.
    """
    first = values[0]
    if _all_are(first, values):
        return _text(first) * len(values)
    with suppress(KeyError):
        return b"".join(itemgetter(*values)(known))
    encoded = {value: _text(value) for value in set(values)}
    if len(known) + len(encoded) > KNOWN_ENUMS:
        known.clear()
    known.update((value, text) for value, text in encoded.items() if len(text) <= KNOWN_ENUM_BYTES)
    return b"".join(itemgetter(*values)(encoded))


def _fixed_strings(length: int, values: Cells) -> bytes:
    first = values[0]
    if _all_are(first, values):
        return _fixed_string(length, first) * len(values)
    encoded = {value: _fixed_string(length, value) for value in set(values)}
    return b"".join(itemgetter(*values)(encoded))


def _fixed_string(length: int, value: str) -> bytes:
    encoded = _bytes(value).ljust(length, b"\0")
    if len(encoded) != length:
        raise ValueError
    return encoded


def _all_are(first: object, values: Cells) -> bool:
    """Whether a column has only one value: its first, as in many columns of a block."""
    return bool(first == values[-1]) and values.count(first) == len(values)


def _arrays(values: Cells) -> bytes:
    if values.count(()) == len(values):
        return bytes(8 * len(values))
    # A str is also a sequence of str; it would become an array of its letters.
    if str in set(map(type, values)):
        raise TypeError
    ends = _integers("Q", tuple(accumulate(map(len, values))))
    return ends + _strings(tuple(chain.from_iterable(filter(None, values))))


def _nullable(encode: Encoder, blank: object) -> Encoder:
    encoded_blank = encode((blank,))

    def encode_nullable(values: Cells) -> bytes:
        if _all_are(None, values):  # as for the revenue of most events
            return b"\1" * len(values) + encoded_blank * len(values)
        nulls = bytes([value is None for value in values])
        return nulls + encode([blank if value is None else value for value in values])

    return encode_nullable


def _decimals(scale: int, values: Cells) -> bytes:
    units = [int(value.scaleb(scale).to_integral_value()) for value in values]
    if any(abs(unit) >= _MAX_DIGITS for unit in units):
        raise OverflowError
    return _integers("q", units)


def _text(value: str) -> bytes:
    encoded = value.encode() if value.isascii() else _bytes(value)
    length = len(encoded)
    return (_VARINT_1[length] if length < 0x80 else _varint(length)) + encoded


def _bytes(value: str) -> bytes:
    """UTF-8, with the raw bytes that surrogate escapes stand for (see `ingest.model.event`)."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Other lone surrogates cannot be encoded in UTF-8; they become U+FFFD, like undecodable
        # input.
        clean = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", value)
        return clean.encode("utf-8", "surrogateescape")


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _VARINT_1[number]
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rows.native import RowNotEncodableError, encode_block
from ingest.rows.schema import COUNTERS, EVENTS, SESSIONS, Column, Table
from tests.ingest.rows.example_rows import row


def column_bytes(column_type: str, *values: Any) -> bytes:
    """What follows the header of a block's only column."""
    block = encode_block([Column("c", column_type)], [(value,) for value in values])
    bare = re.sub(r"^LowCardinality\((.+)\)$", r"\1", column_type).encode()
    header = bytes((1, len(values))) + b"\x01c" + bytes((len(bare),)) + bare
    assert block.startswith(header)
    return block.removeprefix(header)


@pytest.mark.parametrize(
    ("column_type", "values", "encoded"),
    [
        ("DateTime", [1, 2**32 - 1], "01000000 ffffffff"),
        ("UInt8", [0, 255], "00 ff"),
        ("UInt16", [1, 65535], "0100 ffff"),
        ("UInt32", [1], "01000000"),
        ("UInt64", [2**64 - 1, 1], "ffffffffffffffff 0100000000000000"),
        ("Int8", [-1, 1], "ff 01"),
        ("Int32", [-2], "feffffff"),
        ("String", ["", "a", "é"], "00 0161 02c3a9"),
        ("String", ["a\udcff"], "0261ff"),
        ("String", ["\ud800|\udfff"], "07efbfbd7cefbfbd"),
        ("LowCardinality(String)", ["a", "a"], "0161 0161"),
        ("FixedString(2)", ["GB", ""], "4742 0000"),
        ("LowCardinality(FixedString(2))", ["G"], "4700"),
        (
            "Array(String)",
            [("a", "b"), (), ("c",)],
            "0200000000000000 0200000000000000 0300000000000000 0161 0162 0163",
        ),
        ("Nullable(UInt64)", [None, 7], "01 00 0000000000000000 0700000000000000"),
        (
            "Nullable(Decimal(18, 3))",
            [Decimal("1.5"), None, Decimal("-0.001")],
            "00 01 00 dc05000000000000 0000000000000000 ffffffffffffffff",
        ),
        ("Nullable(Decimal(18, 3))", [Decimal("1E+3")], "00 40420f0000000000"),
        ("Nullable(Decimal(18,3))", [None, None], "01 01" + "00" * 16),
    ],
)
def test_values(column_type: str, values: list[Any], encoded: str) -> None:
    assert column_bytes(column_type, *values) == bytes.fromhex(encoded)


@pytest.mark.parametrize("length", [127, 128, 16_383, 16_384, 2_097_152])
def test_length_of_a_string_takes_as_many_bytes_as_it_needs(length: int) -> None:
    encoded = column_bytes("String", "x" * length)
    prefix = encoded[: len(encoded) - length]
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(prefix)) == length
    assert [byte >> 7 for byte in prefix] == [1] * (len(prefix) - 1) + [0]


@pytest.mark.parametrize(
    ("column_type", "value"),
    [
        ("DateTime", -1),
        ("DateTime", 2**32),
        ("UInt8", 256),
        ("UInt64", -1),
        ("UInt64", 1.5),
        ("UInt64", None),
        ("Int32", 2**31),
        ("String", None),
        ("String", b"bytes"),
        ("String", 5),
        ("String", ["unhashable"]),
        ("FixedString(2)", "GBR"),
        ("FixedString(2)", "éé"),
        ("Array(String)", "text"),
        ("Array(String)", None),
        ("Array(String)", (1,)),
        ("Nullable(UInt64)", "1"),
        ("Nullable(Decimal(18, 3))", Decimal(10**15)),
        ("Nullable(Decimal(18, 3))", Decimal("NaN")),
        ("Nullable(Decimal(18, 3))", Decimal("Infinity")),
        ("Nullable(Decimal(18, 3))", 1.5),
    ],
)
def test_values_that_do_not_fit(column_type: str, value: Any) -> None:
    with pytest.raises(RowNotEncodableError) as caught:
        encode_block([Column("secret", column_type)], [(value,)])
    assert str(caught.value) == f"a value of secret does not fit {column_type}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, "a"), (2,)], "rows differ in length"),
        ([(1,), (2,)], "2 values a row are needed, not 1"),
        ([(1, "a", 3)], "2 values a row are needed, not 3"),
    ],
)
def test_rows_of_the_wrong_length(rows: list[tuple[Any, ...]], message: str) -> None:
    with pytest.raises(RowNotEncodableError, match=f"^{message}$"):
        encode_block([Column("a", "UInt8"), Column("b", "String")], rows)


def test_unknown_type() -> None:
    with pytest.raises(LookupError, match="no encoding for Float64"):
        encode_block([Column("a", "Float64")], [(1.0,)])


def test_columns_left_out() -> None:
    columns = [Column("a", "UInt8"), Column("b", "String"), Column("c", "UInt8")]
    block = encode_block(columns, [(1, "x", 3)], left_out={"b"})
    assert block == b"\x02\x01" + b"\x01a\x05UInt8\x01" + b"\x01c\x05UInt8\x03"


@pytest.mark.parametrize("table", [EVENTS, SESSIONS, COUNTERS], ids=lambda table: str(table.name))
def test_every_table_is_encodable(table: Table) -> None:
    block = encode_block(table.inserted, [row(table)] * 2)
    assert block[:2] == bytes((len(table.inserted), 2))


def read_strings(data: bytes, count: int) -> list[bytes]:
    """Read a String column back, independently of the encoder."""
    strings, position = [], 0
    for _ in range(count):
        length = shift = 0
        while True:
            byte = data[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        strings.append(data[position : position + length])
        position += length
    assert position == len(data)
    return strings


@given(st.lists(st.text(max_size=300), min_size=1, max_size=20))
def test_any_text_is_encodable(texts: list[str]) -> None:
    decoded = read_strings(column_bytes("String", *texts), len(texts))
    assert [text.decode() for text in decoded] == texts


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20))
def test_raw_bytes_come_through(raw: list[bytes]) -> None:
    texts = [data.decode("utf-8", "surrogateescape") for data in raw]
    assert read_strings(column_bytes("String", *texts), len(texts)) == raw

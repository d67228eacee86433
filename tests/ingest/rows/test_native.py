import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.rows.native import (
    KNOWN_ENUMS,
    RowNotEncodableError,
    _enums,
    _strings,
    encode_block,
)
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
    "first", ["", "a", "x" * 127, "x" * 128, "\u00e9" * 64, "a\udcff", "x" * 16_384]
)
@pytest.mark.parametrize("second", ["b", "y" * 129, "\u4e2d", "\ud800"])
def test_each_string_of_a_column_is_encoded_as_alone(first: str, second: str) -> None:
    alone = column_bytes("String", first) + column_bytes("String", second)
    assert column_bytes("String", first, second) == alone


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


def test_enums_of_many_blocks_are_those_of_a_string_column() -> None:
    names = [*(f"name {number}" for number in range(2 * KNOWN_ENUMS)), "x" * 129, "\u00e9" * 65]
    names += names[:300]
    for start in range(0, len(names), 100):
        block = names[start : start + 100]
        assert column_bytes("LowCardinality(String)", *block) == column_bytes("String", *block)


def test_few_and_short_enums_are_kept_for_the_next_block() -> None:
    known: dict[str, bytes] = {}
    for start in range(0, 3 * KNOWN_ENUMS, 100):
        _enums(known, tuple(f"name {number}" for number in range(start, start + 100)))
        assert 100 <= len(known) <= KNOWN_ENUMS
    assert _enums(known, ("x" * 127, "x" * 128, "\u00e9" * 64)) == _strings(
        ("x" * 127, "x" * 128, "\u00e9" * 64)
    )
    assert {"x" * 127, "x" * 128, "\u00e9" * 64} & known.keys() == {"x" * 127}


@given(st.lists(st.text(max_size=300), min_size=1, max_size=20))
def test_any_text_is_encodable(texts: list[str]) -> None:
    decoded = read_strings(column_bytes("String", *texts), len(texts))
    assert [text.decode() for text in decoded] == texts


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20))
def test_raw_bytes_come_through(raw: list[bytes]) -> None:
    texts = [data.decode("utf-8", "surrogateescape") for data in raw]
    assert read_strings(column_bytes("String", *texts), len(texts)) == raw


def reference_cell(bare: str, value: Any) -> tuple[bytes, bytes]:
    """What a value adds to the two stretches of its column; only the first one for most types."""
    if bare == "String":
        return reference_text(value), b""
    if bare.startswith("FixedString"):
        return value.encode().ljust(int(bare[12:-1]), b"\0"), b""
    if bare.startswith("Nullable(Decimal"):
        units = 0 if value is None else int(value * 1000)
        return bytes([value is None]), units.to_bytes(8, "little", signed=True)
    if bare.startswith("Nullable"):
        return bytes([value is None]), (value or 0).to_bytes(8, "little")
    sizes = {"DateTime": 4, "UInt8": 1, "UInt16": 2, "UInt32": 4, "UInt64": 8, "Int8": 1}
    size = sizes.get(bare, 4)
    return value.to_bytes(size, "little", signed=bare.startswith("Int")), b""


def reference_text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogateescape")
    number, length = len(encoded), bytearray()
    while number >= 0x80:
        length.append(number % 0x80 + 0x80)
        number //= 0x80
    return bytes((*length, number)) + encoded


def reference_block(table: Table, rows: list[tuple[Any, ...]]) -> bytes:
    """A block, encoded value by value."""
    block = bytes((len(table.inserted),)) + reference_length(len(rows))
    for number, column in enumerate(table.inserted):
        bare = column.type.removeprefix("LowCardinality(")
        if bare != column.type:
            bare = bare[:-1]
        block += reference_text(column.name) + reference_text(bare)
        values = [row[number] for row in rows]
        if bare == "Array(String)":
            ends = [sum(map(len, values[: end + 1])) for end in range(len(values))]
            block += b"".join(end.to_bytes(8, "little") for end in ends)
            block += b"".join(reference_text(text) for value in values for text in value)
        else:
            cells = [reference_cell(bare, value) for value in values]
            block += b"".join(cell[0] for cell in cells) + b"".join(cell[1] for cell in cells)
    return block


def reference_length(number: int) -> bytes:
    return reference_text("x" * number)[:-number]


TEXTS = st.one_of(
    st.sampled_from(["", "/", "Chrome", "caf\u00e9", "\u4e2d", "a\udcff"]),
    st.integers(126, 129).map("x".__mul__),
    st.integers(126, 129).map("\u00e9".__mul__),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)


def values_of(column_type: str) -> st.SearchStrategy[Any]:
    """Any values of a column."""
    bare = re.sub(r"^LowCardinality\((.+)\)$", r"\1", column_type)
    if bare == "String":
        return TEXTS
    if bare == "Array(String)":
        return st.lists(TEXTS, max_size=3).map(tuple)
    if bare.startswith("FixedString"):
        return st.sampled_from(["", "GB", "DE", "\u00e9"])
    if bare.startswith("Nullable(Decimal"):
        return st.none() | st.integers(-(10**15), 10**15).map(lambda units: Decimal(units) / 1000)
    if bare.startswith("Nullable"):
        return st.none() | st.integers(0, 2**64 - 1)
    bits = {"DateTime": 32, "Int32": 31, "Int8": 7}.get(bare) or int(bare[4:])
    return st.integers(-(2**bits) if bare.startswith("Int") else 0, 2**bits - 1)


@pytest.mark.parametrize("table", [EVENTS, SESSIONS, COUNTERS], ids=lambda table: str(table.name))
@settings(max_examples=30)
@given(data=st.data())
def test_blocks_are_those_encoded_value_by_value(table: Table, data: st.DataObject) -> None:
    # Few values for each column, so that some columns have one value only, and others repeat some.
    pools = [
        data.draw(st.lists(values_of(column.type), min_size=1, max_size=4))
        for column in table.inserted
    ]
    size = data.draw(st.sampled_from([1, 2, 3, 20, 130]))
    chance = data.draw(st.randoms(use_true_random=False))
    rows = [tuple(chance.choice(pool) for pool in pools) for _ in range(size)]
    assert encode_block(table.inserted, rows) == reference_block(table, rows)

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.stores.json_lines import json_lines, json_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (2**64 - 1, "18446744073709551615"),
        (1.5, "1.5"),
        (float("nan"), "null"),
        (float("-inf"), "null"),
        (Decimal("123456789012345.670"), "123456789012345.67"),
        (Decimal("10"), "10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.000"), "0"),
        ('a"é/\n\u2028', '"a\\"é/\\n\u2028"'),
        (b"caf\xe9", '"caf\ufffd"'),
        (bytearray(b"x\0"), '"x\\u0000"'),
        (datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), '"2025-01-02 03:04:05"'),
        (datetime(2025, 1, 2, 3, 4, 5, 60, tzinfo=UTC), '"2025-01-02 03:04:05.000060"'),
        (date(2025, 1, 2), '"2025-01-02"'),
        ([1, [b"a"], ()], '[1,["a"],[]]'),
        ({b"a": 1, 2: {}}, '{"a":1,"2":{}}'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (IPv4Address("1.2.3.4"), '"1.2.3.4"'),
    ],
    ids=repr,
)
def test_values(value: Any, text: str) -> None:
    assert json_text(value) == text


def test_lines() -> None:
    lines = json_lines(["a", 'b"c'], [(1, None), (b"x", [2])])
    assert lines == ['{"a":1,"b\\"c":null}', '{"a":"x","b\\"c":[2]}']
    assert json_lines(["a"], []) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_json_has_comes_back(value: Any) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert "\n" not in text

from typing import Any

import pytest

from ingest.request.json_text import BRACKETS_LIMIT, COMMAS_LIMIT, STRINGS_LIMIT, read_json


def members(number: int) -> bytes:
    return b"{" + b",".join(b'"%d":0' % key for key in range(number)) + b"}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"[" + b"[]," * (BRACKETS_LIMIT - 2) + b"[]]", id="lists"),
        pytest.param(b"[" + b"{}," * (BRACKETS_LIMIT - 2) + b"{}]", id="objects"),
        pytest.param(b'["' + b"[" * (BRACKETS_LIMIT - 1) + b'"]', id="brackets in a text"),
        pytest.param(members(STRINGS_LIMIT), id="keys"),
        pytest.param(b'"' + b'\\"' * 3 * STRINGS_LIMIT + b'"', id="quotes in a text"),
        pytest.param(b"[" + b"1," * COMMAS_LIMIT + b"1]", id="numbers"),
        pytest.param(b'"' + b"," * COMMAS_LIMIT + b'"', id="commas in a text"),
        pytest.param(b'["' + b"[],{}" * (BRACKETS_LIMIT // 5) + b'"]', id="too short for a look"),
    ],
)
def test_as_much_as_is_read(text: bytes) -> None:
    assert read_json(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"[" + b"[]," * (BRACKETS_LIMIT - 1) + b"[]]", id="lists"),
        pytest.param(b"[" + b"{}," * (BRACKETS_LIMIT - 1) + b"{}]", id="objects"),
        pytest.param(
            b"[" + (b"[" * 190 + b"]" * 190 + b",") * (BRACKETS_LIMIT // 190 + 1) + b"1]", id="deep"
        ),
        pytest.param(members(STRINGS_LIMIT + 1), id="keys"),
        pytest.param(b"[" + b'"",' * STRINGS_LIMIT + b'""]', id="texts"),
        pytest.param(b"[" + b'"\\\\",' * 2 * STRINGS_LIMIT + b'""]', id="texts of a backslash"),
        pytest.param(b"[" + b"1," * (COMMAS_LIMIT + 1) + b"1]", id="numbers"),
    ],
)
def test_too_much(text: bytes) -> None:
    with pytest.raises(ValueError, match="too many values"):
        read_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [(b'{"a":1,"a":2}', {"a": 2}), (b"1e999", float("inf")), (b'"\\ud83d\\ude00"', "\U0001f600")],
)
def test_values(text: bytes, value: Any) -> None:
    assert read_json(text) == value

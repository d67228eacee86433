"""Rows as JSON objects, one per line, like ClickHouse's JSONEachRow."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from actors.stores.query_limits import refuse_long_text


def json_lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A JSON object for each row, its keys in the order of the columns.

    Raises:
        QueryRefused: They are too long.
    """
    keys = [json_text(name) + ":" for name in names]
    lines, characters = [], 0
    for row in rows:
        cells = [key + json_text(cell) for key, cell in zip(keys, row, strict=True)]
        lines.append("{" + ",".join(cells) + "}")
        characters += len(lines[-1])
        refuse_long_text(characters)
    return lines


def json_text(value: Any) -> str:
    """A value as JSON.

    Numbers of any length stay numbers; NaN and infinities become null. Bytes are decoded as UTF-8,
    with U+FFFD for invalid bytes. Types that JSON does not have become strings.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case bytes() | bytearray():
            return json.dumps(value.decode("utf-8", "replace"), ensure_ascii=False)
        case int():
            return str(int(value))
        case float():
            return repr(value) if math.isfinite(value) else "null"
        case Decimal():
            return _decimal(value)
        case datetime():
            return f'"{value:%Y-%m-%d %H:%M:%S}{_fraction(value)}"'
        case date():
            return f'"{value:%Y-%m-%d}"'
        case list() | tuple():
            return "[" + ",".join(map(json_text, value)) + "]"
        case Mapping():
            pairs = (f"{_key(key)}:{json_text(item)}" for key, item in value.items())
            return "{" + ",".join(pairs) + "}"
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def _decimal(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _fraction(moment: datetime) -> str:
    return f".{moment:%f}" if moment.microsecond else ""


def _key(key: Any) -> str:
    text = json_text(key)
    return text if text.startswith('"') else f'"{text}"'

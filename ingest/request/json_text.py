"""JSON that clients send. A cheap look refuses text that would take long to read.

Reading costs a fraction of a microsecond for each value and up to a hundred bytes for each list, so
a megabyte of `[[],[],…]` would block the event loop for tenths of a second, and take fifty times
its length in memory. No event comes near the limits.
"""

from typing import Any, Final

from pydantic_core import from_json

BRACKETS_LIMIT: Final = 10_000
"""Lists and objects together. Brackets within texts count, too."""

STRINGS_LIMIT: Final = 20_000
"""Keys and texts."""

COMMAS_LIMIT: Final = 100_000
"""Commas within texts count, too: the largest event may have some 70,000 of them."""


def read_json(text: bytes) -> Any:
    """Decode JSON by RFC 8259.

    UTF-8 only, no byte order mark, no lone surrogates, at most 200 levels deep, integers of at most
    4,300 digits; of a repeated key the last one counts.

    Raises:
        ValueError: It is no such JSON, or exceeds a limit.
    """
    check_size(text)
    return from_json(text, allow_inf_nan=False)


def check_size(text: bytes) -> None:
    """Check that a text has few enough values, by counting its characters.

    Raises:
        ValueError: It exceeds a limit.
    """
    # Shorter text cannot exceed a limit, and the usual event is spared the look.
    if len(text) > BRACKETS_LIMIT and (
        text.count(b"[") + text.count(b"{") > BRACKETS_LIMIT
        or text.count(b'"') - text.count(b'\\"') > 2 * STRINGS_LIMIT
        or text.count(b",") > COMMAS_LIMIT
    ):
        raise ValueError("too many values")

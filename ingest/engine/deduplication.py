"""How many tokens of inserts a store must remember, so that no batch is stored twice."""

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from ingest.engine.finding import Finding, warning

SETTING: Final = "non_replicated_deduplication_window"
REPLICATED_SETTING: Final = "replicated_deduplication_window"


class Window(NamedTuple):
    """How many tokens of inserts a table remembers.

    Attributes:
        setting: Which of the table's settings says so.
        tokens: 0 for a table that knows no tokens.
    """

    setting: str
    tokens: int


def needed_tokens(partitions: int, flush_seconds: float) -> int:
    """How many tokens of inserts the store must remember: those of about ten minutes."""
    return math.ceil(4 * partitions * 600 / flush_seconds)


def window_of(engine: str, definition: str, replicated_default: int | None) -> Window | None:
    """The window of a table.

    Args:
        engine: Name of its engine.
        definition: The engine with its settings, as in `system.tables.engine_full`.
        replicated_default: What replicated tables remember without a setting of their own.

    Returns:
        None if it is not known.
    """
    replicated = engine.startswith(("Replicated", "Shared"))
    setting, default = (REPLICATED_SETTING, replicated_default) if replicated else (SETTING, 0)
    found = re.search(rf"\b{setting} = (\d+)", definition)
    tokens = default if found is None else int(found[1])
    return None if tokens is None else Window(setting, tokens)


def examine_deduplication(
    windows: Mapping[str, Window], partitions: int, flush_seconds: float
) -> list[Finding]:
    """Compare how many tokens the store's tables remember with what a cluster needs.

    Args:
        windows: By table.
        partitions: Number of partitions of the events topic.
        flush_seconds: `SLUICE_FLUSH_SECONDS` of the workers.
    """
    needed = needed_tokens(partitions, flush_seconds)
    return [
        warning(
            f"{table} remembers {window.tokens:,} tokens of inserts, and {partitions} partitions "
            f"with SLUICE_FLUSH_SECONDS={flush_seconds:g} need {needed:,}: a worker that was "
            "stopped for long may store a batch twice",
            f"ALTER TABLE {table} MODIFY SETTING {window.setting} = {needed}; "
            "or set SLUICE_FLUSH_SECONDS to more",
        )
        for table, window in windows.items()
        if window.tokens < needed
    ]

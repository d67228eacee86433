"""How many tokens of inserts a store must remember, so that no batch is stored twice."""

import math
from collections.abc import Mapping

from ingest.engine.finding import Finding, warning


def needed_tokens(partitions: int, flush_seconds: float) -> int:
    """How many tokens of inserts the store must remember: those of about ten minutes."""
    return math.ceil(4 * partitions * 600 / flush_seconds)


def examine_deduplication(
    windows: Mapping[str, int], partitions: int, flush_seconds: float
) -> list[Finding]:
    """Compare how many tokens the store's tables remember with what a cluster needs.

    Args:
        windows: By table; 0 for a table that knows no tokens.
        partitions: Number of partitions of the events topic.
        flush_seconds: `SLUICE_FLUSH_SECONDS` of the workers.
    """
    needed = needed_tokens(partitions, flush_seconds)
    return [
        warning(
            f"{table} remembers {window:,} tokens of inserts, and {partitions} partitions with "
            f"SLUICE_FLUSH_SECONDS={flush_seconds:g} need {needed:,}: a worker that was stopped "
            "for long may store a batch twice",
            f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = {needed}; "
            "or set SLUICE_FLUSH_SECONDS to more",
        )
        for table, window in windows.items()
        if window < needed
    ]

"""What one query may take, as ClickHouse's settings; they hold on every store."""

import os
from contextlib import suppress
from pathlib import Path

from actors.stores.store import QueryRefused

QUERY_SECONDS = 60.0
QUERY_BYTES = 1_000_000_000
"""Memory of one query, and what it may put aside on disk."""

QUERY_ROWS = 1_000_000
QUERY_RESULT_BYTES = 50_000_000
"""The result's size in ClickHouse's columns, also where it comes from a server: this process holds
it as objects, which take some ten times as much."""

QUERY_TEXT_CHARACTERS = 100_000_000
"""The result's size as JSON."""

MACHINE_SHARE = 4
"""A query inside this process has at most one part in so many of the machine's memory."""

CONTROL_GROUPS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where Linux says what a container may have: version 2 and 1."""


def query_settings(seconds: float, memory: int = QUERY_BYTES) -> dict[str, int]:
    """The limits of one query.

    Args:
        seconds: How long it may run.
        memory: How many bytes of memory it may take.
    """
    return {
        "max_execution_time": max(1, int(seconds)),
        "max_memory_usage": memory,
        "max_result_bytes": QUERY_RESULT_BYTES,
        "max_result_rows": QUERY_ROWS,
        "max_temporary_data_on_disk_size_for_query": QUERY_BYTES,
        # 2 would allow table functions that reach files and other hosts.
        "readonly": 1,
    }


def refuse_long_text(characters: int) -> None:
    """See that a result is not too long as text, before more is made of it.

    Raises:
        QueryRefused: It is.
    """
    if characters > QUERY_TEXT_CHARACTERS:
        raise QueryRefused(f"the result has more than {QUERY_TEXT_CHARACTERS:,} characters")


def embedded_query_bytes() -> int:
    """Memory for one query inside this process."""
    return min(QUERY_BYTES, machine_bytes() // MACHINE_SHARE)


def machine_bytes() -> int:
    """Memory of the machine, or of the container."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for limit in CONTROL_GROUPS:
        # Version 2 says "max" where there is no limit.
        with suppress(OSError, ValueError):
            sizes.append(int(limit.read_text()))
    return min(sizes)

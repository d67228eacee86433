"""An insert's statement and bytes, the same for both stores."""

import time
from collections.abc import Collection, Sequence
from typing import Any

from actors.stores.store import RowsRefused
from ingest.rows.names_age import NamesAge, rows_of_age
from ingest.rows.native import ROWS_PER_BLOCK, RowNotEncodableError, encode_block
from ingest.rows.schema import Table, quote_identifier

INSERT_SETTINGS = {
    "insert_deduplicate": "1",
    # Acknowledge only stored rows, regardless of the user's profile.
    "async_insert": "0",
    # Late events of many months may come in one batch.
    "max_partitions_per_insert_block": "0",
}

_YIELD_SECONDS = 1e-4


def encode(
    table: Table,
    rows: Sequence[tuple[Any, ...]],
    left_out: Collection[str],
    names: NamesAge = NamesAge.NEWEST,
) -> list[bytes]:
    """Encode rows in blocks, and yield to other threads after each block.

    All blocks are encoded before the first is sent, so an invalid row leaves nothing half done.

    Args:
        table: The table.
        rows: In its layout, with the newest names of sources.
        left_out: Names of columns that the blocks must not hold.
        names: The age of the names that the blocks must hold.

    Raises:
        RowsRefused: A value does not fit its column.
    """
    blocks = []
    try:
        for start in range(0, len(rows), ROWS_PER_BLOCK):
            part = rows_of_age(names, table, rows[start : start + ROWS_PER_BLOCK])
            blocks.append(encode_block(table.inserted, part, left_out))
            # A sleep of 0 would end before a waiting thread wakes up.
            time.sleep(_YIELD_SECONDS)
    except RowNotEncodableError as error:
        raise RowsRefused(f"{table.name}: {error}") from None
    return blocks


def insert_into(database: str, table: Table, left_out: Collection[str]) -> str:
    """INSERT INTO with the columns of the blocks, in their order."""
    columns = ", ".join(
        quote_identifier(column.name) for column in table.inserted if column.name not in left_out
    )
    return f"INSERT INTO {quote_identifier(database)}.{quote_identifier(table.name)} ({columns})"

"""Checks whether an insert of unknown outcome was stored in a table that ignores tokens.

A block of rows for one partition is stored completely or not at all. So a sample of the rows is
enough to know about all rows of a partition. Rows are identified by numbers only: an event by its
session and time, a session by its id and version, which is written once.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from ingest.rows.layout import Row
from ingest.rows.schema import EVENTS, SESSIONS, Table, quote_identifier

SAMPLE_ROWS: Final = 64
"""Rows looked for in each partition. A single row may equal a row of another insert from the same
second; this many rows do not."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What identifies a table's rows.

    Attributes:
        columns: Names of whole-number columns, the time of the partition among them.
        time: The column that the partition depends on.
        condition: Which rows may be in the sample, in SQL; empty for all.
    """

    columns: tuple[str, ...]
    time: str
    condition: str = ""


IDENTITIES: Final[Mapping[str, Identity]] = {
    EVENTS.name: Identity(
        ("site_id", "user_id", "session_id", "timestamp", "scroll_depth", "engagement_time"),
        "timestamp",
    ),
    SESSIONS.name: Identity(
        ("site_id", "user_id", "session_id", "start", "events"), "start", "sign = 1"
    ),
}
"""Counters have no identity: their rows are sums that cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A query that checks whether the rows of one partition are stored.

    Attributes:
        rows: The rows.
        sql: Counts the distinct rows of the sample that the table has.
        expected: The count if the rows are there.
    """

    rows: tuple[Row, ...]
    sql: str
    expected: int


def plan_probes(
    table: Table, rows: Sequence[Row], database: str, left_out: Collection[str] = ()
) -> tuple[Probe, ...]:
    """Make a probe for each partition that an insert touches.

    Args:
        table: A table with an identity.
        rows: The rows inserted, in the table's layout.
        database: Where the table is.
        left_out: Columns that the table does not have; they do not identify rows.
    """
    identity = IDENTITIES[table.name]
    identity = replace(
        identity, columns=tuple(name for name in identity.columns if name not in left_out)
    )
    names = [column.name for column in table.inserted]
    positions = [names.index(name) for name in identity.columns]
    time = names.index(identity.time)
    sign = names.index("sign") if "sign" in names else None
    partitions: defaultdict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        start = datetime.fromtimestamp(row[time], UTC)
        partitions[start.year, start.month].append(row)
    probes: list[Probe] = []
    for members in partitions.values():
        identities = {
            tuple(row[position] for position in positions)
            for row in members
            if sign is None or row[sign] == 1
        }
        sample = sorted(identities)[:: max(1, len(identities) // SAMPLE_ROWS)][:SAMPLE_ROWS]
        probes.append(Probe(tuple(members), _sql(identity, table, database, sample), len(sample)))
    return tuple(probes)


def _sql(identity: Identity, table: Table, database: str, sample: Sequence[tuple[int, ...]]) -> str:
    columns = [
        f"toUnixTimestamp({name})" if name == identity.time else name for name in identity.columns
    ]
    expression = f"({', '.join(columns)})"
    values = ", ".join(f"({', '.join(map(str, row))})" for row in sample)
    target = f"{quote_identifier(database)}.{quote_identifier(table.name)}"
    condition = f" AND {identity.condition}" if identity.condition else ""
    return (
        f"SELECT uniqExact({expression}) FROM {target} "  # noqa: S608 - numbers and our own names
        f"WHERE {expression} IN ({values}){condition}"
    )

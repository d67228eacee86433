"""What stands in for a store with the tables of imported sums."""

import re
from collections.abc import Sequence
from typing import Any

from ingest.rows.imported import IMPORTED_TABLES
from ingest.rows.schema import Table
from tests.actors.fakes import FakeStore, an_outage


class ImportedRows(FakeStore):
    """Counts the rows that it has, and looks for days of other imports.

    Every so many inserts one fails.
    """

    failing = 0

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        if self.failing and len(self.attempts) % self.failing == self.failing - 1:
            self.outages = [an_outage()]
        await super().insert(table, rows, token)

    async def query(self, sql: str) -> list[str]:
        found = re.search(
            r"FROM (\w+) WHERE site_id = (\d+) AND import_id (!?=) (\d+)"
            r"(?: AND date BETWEEN toDate\((\d+)\) AND toDate\((\d+)\))?$",
            sql,
        )
        assert found is not None, sql
        table, site, sign, own, first, last = found.groups()
        rows = [
            row
            for row in self.values(table)
            if row["site_id"] == int(site)
            and (row["import_id"] == int(own)) is (sign == "=")
            and int(first or 0) <= row["date"] <= int(last or 99_999)
        ]
        other = rows[0]["import_id"] if rows else 0
        return [f'{{"n": {len(rows)}, "id": {other}, "first": "a", "last": "b"}}']

    def values(self, table: str) -> Sequence[dict[str, Any]]:
        names = [column.name for column in IMPORTED_TABLES[table].inserted]
        return [dict(zip(names, row, strict=True)) for row in self.rows.get(table, [])]

    @property
    def count(self) -> int:
        return sum(map(len, self.rows.values()))

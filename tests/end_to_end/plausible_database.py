"""A ClickHouse database with Plausible's migrations, of this year or an earlier one."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ingest.enrichment.source_tables import source_tables
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.schema_file import NEWEST, statements

SCHEMA = Path(__file__).with_name("plausible_schema.sql")


class PlausibleDatabase:
    """Creates and queries Plausible's database on a test server."""

    def __init__(self, server: ClickHouseServer, name: str, *, month: str = NEWEST) -> None:
        """Create the database.

        Args:
            server: The server.
            name: Name of the database.
            month: Month of the last migrations, as YYYY-MM.
        """
        self.server = server
        self.name = name
        self.run(f"CREATE DATABASE {name}")
        for statement in statements(SCHEMA, month):
            self.run(statement.replace("{database}", name))
        tables = source_tables()
        categories = [
            (source, f"SOURCE_CATEGORY_{category}")
            for source, category in tables.categories.items()
        ]
        self.fill("acquisition_channel_source_category", categories)
        self.fill("acquisition_channel_paid_sources", [(source,) for source in tables.paid])
        self.fill(
            "location_data",
            [
                ("country", "GB", "United Kingdom"),
                ("subdivision", "GB-ENG", "England"),
                ("city", "2655045", "Boxford"),
            ],
        )
        for dictionary in ("source_category", "paid_sources"):
            self.run(f"SYSTEM RELOAD DICTIONARY {name}.acquisition_channel_{dictionary}_dict")

    @property
    def url(self) -> str:
        """The value for `CLICKHOUSE_URL`."""
        return self.server.url(self.name)

    def run(self, sql: str) -> str:
        """Run a statement over HTTP, as Plausible does."""
        address = f"http://127.0.0.1:{self.server.http_port}/?database=" + urllib.parse.quote(
            self.name if not sql.startswith("CREATE DATABASE") else "default"
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(address, sql.encode(), timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{refused.read().decode()[:2000]}\n{sql}") from None

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        return [json.loads(line) for line in self.run(f"{sql} FORMAT JSONEachRow").splitlines()]

    def fill(self, table: str, rows: Iterable[tuple[str, ...]]) -> None:
        """Insert rows with text values."""
        lines = "\n".join(json.dumps(row) for row in rows)
        self.run(f"INSERT INTO {self.name}.{table} FORMAT JSONCompactEachRow\n{lines}")

    def structure(self) -> dict[str, str]:
        """Return the statements that create the database's objects, by name."""
        return {
            row["name"]: self.run(f"SHOW CREATE {self.name}.{row['name']}")
            for row in self.rows(f"SELECT name FROM system.tables WHERE database = '{self.name}'")
        }

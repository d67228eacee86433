"""A ClickHouse database with Plausible's migrations, of this year or an earlier one."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from typing import Any

from ingest.enrichment.source_tables import source_tables
from tests.end_to_end.channels import PLAUSIBLE_SCHEMA, TABLES, differing, stored_channels
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.schema_file import NEWEST, statements
from tests.waiting import wait_until

RENAMED = "2026-06"
"""The month of the migrations that rename sources."""


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
        self.older_names = month < RENAMED
        self.run(f"CREATE DATABASE {name}")
        for statement in statements(PLAUSIBLE_SCHEMA, month):
            self.run(statement.replace("{database}", name))
        self._fill_categories()
        self.fill(
            "location_data",
            [
                ("country", "GB", "United Kingdom"),
                ("subdivision", "GB-ENG", "England"),
                ("city", "2655045", "Boxford"),
            ],
        )

    def _fill_categories(self) -> None:
        tables = source_tables(older=self.older_names)
        lists: dict[str, list[tuple[str, ...]]] = {
            "source_category": [
                (source, f"SOURCE_CATEGORY_{category}")
                for source, category in tables.categories.items()
            ],
            "paid_sources": [(source,) for source in tables.paid],
        }
        for name, rows in lists.items():
            self.run(f"TRUNCATE TABLE {self.name}.acquisition_channel_{name}")
            self.fill(f"acquisition_channel_{name}", rows)
            self.run(f"SYSTEM RELOAD DICTIONARY {self.name}.acquisition_channel_{name}_dict")

    def rename_sources(self) -> None:
        """Run the migrations of June 2026 on a database of the month before."""
        self.older_names = False
        self._fill_categories()
        newest, older = source_tables().names, source_tables(older=True).names
        renamed = {older.get(key, key): name for key, name in newest.items()}
        renamed = {old: new for old, new in renamed.items() if old != new}
        names = f"{json.dumps(list(renamed))}, {json.dumps(list(renamed.values()))}"
        pattern = re.compile(r"`acquisition_channel` .*MATERIALIZED .*(?=,)")
        for statement in statements(PLAUSIBLE_SCHEMA):
            if statement.startswith("CREATE OR REPLACE FUNCTION"):
                self.run(statement)
            for table in TABLES:
                if statement.startswith(f"CREATE TABLE {{database}}.{table}"):
                    column = pattern.findall(statement)[0].replace("{database}", self.name)
                    self.run(f"ALTER TABLE {table} MODIFY COLUMN {column}")
        settings = "SETTINGS mutations_sync = 1"
        for table in TABLES:
            source = f"transform(referrer_source, {names}, referrer_source)".replace('"', "'")
            self.run(f"ALTER TABLE {table} UPDATE referrer_source = {source} WHERE 1 {settings}")
            self.run(f"ALTER TABLE {table} MATERIALIZE COLUMN acquisition_channel {settings}")
        self.run("INSERT INTO schema_migrations VALUES (20260601000001, now())")

    def check_channels(self) -> None:
        """See that ClickHouse has computed the channels that Sluice knows."""
        for table in TABLES:
            if self.rows(
                "SELECT 1 FROM system.columns WHERE name = 'acquisition_channel' "
                f"AND database = '{self.name}' AND table = '{table}'"
            ):
                assert differing(self.rows(stored_channels(table)), older=self.older_names) == []

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
        """Return the rows of a query, once the server answers: it may restart."""
        wait_until(self.server.answers)
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

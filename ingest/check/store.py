"""Checks whether the store is reachable and its tables are fit for inserts."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import trio

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.open import open_store
from actors.stores.store import StoreBusy, StoreError, StoreUnavailable
from ingest.check.report import CheckResult, ok, outage, problem, warning
from ingest.client.query import QueryError, ask_server
from ingest.rows.schema import TABLES, quote_string
from ingest.rows.servers import SeenServer, others_of_directory
from ingest.server.identity import read_directory_id
from ingest.server.state_files import StateFiles
from ingest.settings import Settings

STORE_SECONDS: Final = 30.0

SKEW_SECONDS: Final = 5.0
"""Allowed difference between the store's clock and this machine's, which sets timestamps."""

_AS_IT_SHOULD: Final = re.compile(
    r": (created|added)$|^made by Plausible|: inserted without |^source names: .* run\)$"
)
"""Findings that need no attention."""

_QUERY_USER: Final = (
    "give queries a user of their own that may only read: ?query_user=…&query_password=… in "
    "CLICKHOUSE_URL (docs/clickhouse.md, A user for queries)"
)

_ONE_SERVER: Final = (
    "each counts the visitors and visits that reach both: stop one; for several servers see "
    "docs/cluster.md"
)

_TABLES: Final = f"""
SELECT tables.name AS name, engine, total_rows, count() AS columns,
    position(engine_full, 'non_replicated_deduplication_window') > 0
        OR match(engine, '^(Replicated|Shared)') AS knows_tokens,
    toUnixTimestamp(now()) AS now
FROM system.tables AS tables
INNER JOIN system.columns AS columns
    ON columns.database = tables.database AND columns.table = tables.name
WHERE tables.database = currentDatabase()
    AND tables.name IN ({", ".join(map(quote_string, TABLES))})
GROUP BY name, engine, total_rows, knows_tokens ORDER BY name
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a store tells once it is open.

    Attributes:
        findings: On the store; its version comes first.
        query_findings: On its queries.
        server_findings: Why other servers cannot be found.
        servers: Those that write to it; None if it keeps no record of them.
        tables: The rows of `_TABLES`, as JSON.
    """

    findings: tuple[str, ...] = ()
    query_findings: tuple[str, ...] = ()
    server_findings: tuple[str, ...] = ()
    servers: Sequence[SeenServer] | None = None
    tables: Sequence[str] = ()


def check_store(settings: Settings, now: float) -> Iterator[CheckResult]:
    """Open the store, create or migrate its tables, and inspect them.

    Args:
        settings: Say which.
        now: Unix seconds.
    """
    files = StateFiles(settings.state_dir)
    try:
        opened = trio.run(_open_store, settings.clickhouse_url)
    except StoreBusy as busy:
        yield ok("the embedded store is in use by a running server")
        try:
            opened = _Opened(tables=ask_server(files.server, _TABLES, busy))
        except QueryError as error:
            yield warning(str(error), "ask with the SLUICE_STATE_DIR of that server")
            return
    except StoreUnavailable as error:
        yield outage(str(error), "start the store, or correct CLICKHOUSE_URL")
        return
    except StoreError as error:
        yield problem(str(error), "correct CLICKHOUSE_URL")
        return
    except trio.TooSlowError:
        yield outage(
            f"no answer within {STORE_SECONDS:g} s", "see that CLICKHOUSE_URL's port is open"
        )
        return
    yield from _store_results(opened.findings)
    for text in opened.query_findings:
        yield warning(text, _QUERY_USER if "beyond the server" in text else "")
    for text in opened.server_findings:
        yield warning(text)
    yield from _tables(map(json.loads, opened.tables), now)
    yield from _other_servers(read_directory_id(files.server_id), opened.servers)


async def _open_store(url: str) -> _Opened:
    store = open_store(url)
    try:
        with trio.fail_after(STORE_SECONDS):
            await store.open()
            tables = await store.query(_TABLES)
            if not isinstance(store, ClickHouseStore):
                return _Opened(store.findings, tables=tables)
            problems = await store.server_findings()
            servers = None if problems else await store.servers()
            queries = await store.query_findings()
            return _Opened(store.findings, queries, problems, servers, tables)
    finally:
        await store.aclose()


def _store_results(results: Iterable[str]) -> Iterator[CheckResult]:
    """What opening the store found and did; its version comes first."""
    for number, text in enumerate(results):
        if number == 0 or _AS_IT_SHOULD.search(text):
            yield ok(text)
        else:
            yield warning(text)


def _tables(tables: Iterable[dict[str, Any]], now: float) -> Iterator[CheckResult]:
    skew = 0.0
    for table in tables:
        tokens = "recognised" if int(table["knows_tokens"]) else "not recognised"
        yield ok(
            f"{table['name']}: {table['engine']}, {table['columns']} columns, "
            f"{int(table['total_rows'] or 0):,} rows, repeated inserts are {tokens}"
        )
        skew = float(table["now"]) - now
    if abs(skew) > SKEW_SECONDS:
        yield warning(
            f"the store's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this "
            "machine's",
            "have both follow a time server",
        )


def _other_servers(
    directory: str | None, servers: Sequence[SeenServer] | None
) -> Iterator[CheckResult]:
    if servers is None:
        return
    others = others_of_directory(directory, servers)
    for other in others:
        yield warning(f"another server writes to this database: {other.name}", _ONE_SERVER)
    if not others:
        yield ok("no other server writes to this database")

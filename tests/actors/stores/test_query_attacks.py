"""Queries that would do more than read tables: tried on real stores, beside a listener."""

import socket
from collections.abc import Iterator

import pytest
import trio

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.embedded import EmbeddedStore
from actors.stores.store import QueryRefused, Store
from actors.stores.url import ServerAddress
from ingest.rows.schema import EVENTS
from tests.actors.stores import checks
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.ingest.rows.example_rows import row

URL = "url('http://127.0.0.1:{port}/', 'LineAsString')"
REACHING_OUT = {
    "url": URL,
    "file over url": "url('file:///etc/hostname', 'LineAsString')",
    "remote": "remote('127.0.0.1:{port}', system.one)",
    "remoteSecure": "remoteSecure('127.0.0.1:{port}', system.one)",
    "cluster of urls": "urlCluster('default', 'http://127.0.0.1:{port}/', 'LineAsString')",
    "s3": "s3('http://127.0.0.1:{port}/b/k', 'LineAsString')",
    "gcs": "gcs('http://127.0.0.1:{port}/b/k', 'LineAsString')",
    "azure": "azureBlobStorage('http://127.0.0.1:{port}/a', 'c', 'b', 'a', 'YQ==', 'CSV', 'auto')",
    "hdfs": "hdfs('hdfs://127.0.0.1:{port}/a', 'LineAsString')",
    "iceberg": "iceberg('http://127.0.0.1:{port}/b/')",
    "delta lake": "deltaLake('http://127.0.0.1:{port}/b/')",
    "mysql": "mysql('127.0.0.1:{port}', 'd', 't', 'u', 'p')",
    "postgresql": "postgresql('127.0.0.1:{port}', 'd', 't', 'u', 'p')",
    "mongodb": "mongodb('127.0.0.1:{port}', 'd', 't', 'u', 'p', 'a String')",
    "redis": "redis('127.0.0.1:{port}', 'k', 'k String')",
    "odbc": "odbc('DSN=x', 'd', 't')",
    "sqlite": "sqlite('/tmp/x.db', 't')",
    "file": "file('/etc/hostname', 'LineAsString')",
    "executable": "executable('id', 'TSV', 'a String')",
    "loop": "loop(" + URL + ")",
    "view of url": "view(SELECT * FROM " + URL + ")",
    "explained": "viewExplain('EXPLAIN', '', (SELECT * FROM " + URL + "))",
    "evaluated": "eval($$SELECT 1$$)",
    "evaluated text": "eval('SELECT * FROM url(''http://127.0.0.1:{port}/'', ''LineAsString'')')",
    "in quotes": "`url`('http://127.0.0.1:{port}/', 'LineAsString')",
    "escaped": "\"\\x75rl\"('http://127.0.0.1:{port}/', 'LineAsString')",
    "backquoted and escaped": "`u\\x72l` ('http://127.0.0.1:{port}/', 'LineAsString')",
    "upper case": URL.replace("url", "URL"),
    "comment before the bracket": URL.replace("(", "/* ( */(", 1),
    "line before the bracket": URL.replace("(", " -- (\n\t(", 1),
    "zero-width space": URL.replace("(", "\u200b(", 1),
    "no-break space": URL.replace("(", "\xa0(", 1),
    "full width": URL.replace("url", "ｕｒｌ"),
    "unicode escape": URL.replace("url", "\\u0075rl"),
}
LIFTED = ("", " SETTINGS readonly = 0", "/**/settings\nreadonly/**/=0, `max_execution_time` = 0")
AROUND = (
    "SELECT * FROM {table}{lifted}",
    "SELECT * FROM (SELECT * FROM {table}{lifted})",
    "SELECT (SELECT count() FROM {table}{lifted})",
    "SELECT 1 IN (SELECT 1 FROM {table}{lifted})",
    "WITH x AS (SELECT * FROM {table}{lifted}) SELECT * FROM x",
    "SELECT 1 UNION ALL SELECT 1 FROM {table}{lifted}",
    "SELECT * FROM events_v2 JOIN (SELECT * FROM {table}{lifted}) AS y ON 1 = 1",
    "EXPLAIN SELECT * FROM (SELECT * FROM {table}{lifted})",
    "DESCRIBE (SELECT * FROM {table}{lifted})",
)
OTHERS = (
    "DESCRIBE " + URL,
    "DESC TABLE " + URL,
    "EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:{port}', 'd', 't', 'u', 'p')",
    "SELECT 1 IN " + URL,
    "SELECT * FROM events_v2, " + URL,
    "SELECT * FROM events_v2 AS array JOIN " + URL + " ON 1 = 1",
    "INSERT INTO FUNCTION " + URL + " SELECT 'a'",
    "WITH 1 AS x INSERT INTO FUNCTION " + URL + " SELECT 'a'",
    "WITH 1 AS x INSERT INTO events_v2 (user_id) SELECT x",
    "SELECT 1 PARALLEL WITH DROP TABLE events_v2",
    "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0, max_result_rows = 0)",
    "SELECT 1 AS a$b$, (SELECT count() FROM " + URL + " SETTINGS readonly = 0) AS b$b$",
    "SELECT $'$, (SELECT 1 FROM " + URL + " SETTINGS readonly = 0), $'$ -- '",
    "SELECT hasColumnInTable('127.0.0.1:{port}', 'default', '', 'system', 'one', 'dummy')",
    "SELECT reverseDNSQuery('127.0.0.1')",
    "SELECT file('/etc/hostname')",
    "SELECT * FROM '/etc/hostname'",
    "SELECT * FROM `/etc/hostname`",
    'SELECT * FROM "file:///etc/hostname"',
    'SELECT * FROM "http://127.0.0.1:{port}/x.csv"',
    "CREATE TABLE t ENGINE = URL('http://127.0.0.1:{port}/', 'CSV') AS SELECT 1",
    "CREATE TEMPORARY TABLE t (a UInt8)",
    "SET readonly = 0",
)


def attacks(port: int) -> Iterator[str]:
    for text in texts():
        yield text.replace("{port}", str(port))


def texts() -> Iterator[str]:
    for name, function in REACHING_OUT.items():
        # Every way around one function, the plain ways around the others.
        for around in AROUND if name in ("url", "evaluated text") else AROUND[:2]:
            for lifted in LIFTED:
                yield around.replace("{table}", function).replace("{lifted}", lifted)
    yield from OTHERS


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        listening.setblocking(False)
        yield listening


async def all_are_refused(store: Store, listener: socket.socket) -> None:
    await store.insert(EVENTS, [row(EVENTS)], "token")
    for attack in attacks(listener.getsockname()[1]):
        with pytest.raises(QueryRefused):
            pytest.fail(f"{attack}: {await store.query(attack)}")
        with pytest.raises(BlockingIOError):
            pytest.fail(f"{attack}: {listener.accept()}")
    assert await checks.count(store) == 1


async def test_a_server_refuses_all(clickhouse: ClickHouseStore, listener: socket.socket) -> None:
    await all_are_refused(clickhouse, listener)


async def test_the_embedded_store_refuses_all(
    embedded: EmbeddedStore, listener: socket.socket
) -> None:
    await all_are_refused(embedded, listener)


async def test_a_server_would_do_it_unasked(
    server: ClickHouseServer, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused is dangerous: without the refusal, a server in read-only mode connects."""
    # Not through the relay, which would wait for the server to give up.
    store = ClickHouseStore(ServerAddress("127.0.0.1", server.tcp_port, database="unasked"))
    await store.open()
    monkeypatch.setattr("actors.stores.clickhouse.reading_statement", lambda sql, _: sql)
    port = str(listener.getsockname()[1])
    sql = f"SELECT * FROM (SELECT * FROM {URL} SETTINGS readonly = 0)".replace("{port}", port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.query, sql)
        heard, _ = await trio.socket.from_stdlib_socket(listener).accept()
        heard.close()
        nursery.cancel_scope.cancel()
    await store.aclose()


async def what_only_reads_is_answered(store: Store) -> None:
    await store.insert(EVENTS, [row(EVENTS, pathname="/settings")], "token")
    for sql, answer in (
        ("SELECT count() AS n FROM events_v2 WHERE pathname = '/settings'", {"n": 1}),
        ("SELECT n FROM (SELECT 1 AS n) /* SETTINGS readonly = 0 */", {"n": 1}),
        ("SELECT sum(number) AS n FROM numbers(4)", {"n": 6}),
        ("SELECT format('{}-{}', 'a', 1) AS n", {"n": "a-1"}),
        ('SELECT count() > 9 AS n FROM system."settings"', {"n": 1}),
        ("SELECT * FROM values('n UInt8', 7)", {"n": 7}),
    ):
        assert await checks.read(store, sql) == [answer]


async def test_a_server_answers_what_only_reads(clickhouse: ClickHouseStore) -> None:
    await what_only_reads_is_answered(clickhouse)


async def test_the_embedded_store_answers_what_only_reads(embedded: EmbeddedStore) -> None:
    await what_only_reads_is_answered(embedded)

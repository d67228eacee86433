"""Queries that run as a user of their own."""

from collections.abc import Iterator

import pytest

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.store import QueryRefused
from actors.stores.url import ServerAddress
from ingest.rows.schema import EVENTS
from tests.actors.stores import checks
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.ingest.rows.example_rows import row

READER = """<reader><password>secret</password><networks><ip>::/0</ip></networks>
<grants><query>GRANT SELECT, dictGet ON stats.*</query></grants></reader>"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("guarded"), users=READER) as running:
        yield running


def store_of(server: ClickHouseServer, password: str = "secret") -> ClickHouseStore:
    return ClickHouseStore(
        ServerAddress(
            "127.0.0.1",
            server.tcp_port,
            database="stats",
            query_user="reader",
            query_password=password,
        )
    )


async def test_the_server_itself_refuses_what_gets_past_us(
    guarded: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(guarded)
    await store.open()
    await store.insert(EVENTS, [row(EVENTS)], "token")
    assert await checks.count(store) == 1
    assert await checks.read(store, "SELECT country_name FROM events_v2") == [{"country_name": ""}]
    assert await checks.read(store, "SELECT currentUser() AS user") == [{"user": "reader"}]
    assert await store.query_findings() == ()
    monkeypatch.setattr("actors.stores.clickhouse.reading_statement", lambda sql, _: sql)
    for sql in (
        "SELECT * FROM (SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString') "
        "SETTINGS readonly = 0)",
        "SELECT * FROM (SELECT * FROM file('/etc/hostname', 'LineAsString') SETTINGS readonly = 0)",
        "SELECT * FROM (SELECT * FROM remote('127.0.0.1:1', system.one) SETTINGS readonly = 0)",
        "INSERT INTO stats.events_v2 (user_id) SELECT 1",
    ):
        with pytest.raises(QueryRefused, match=r"Not enough privileges|readonly"):
            await store.query(sql)
    await store.aclose()


async def test_a_password_that_is_wrong(guarded: ClickHouseServer) -> None:
    store = store_of(guarded, "wrong")
    await store.open()
    with pytest.raises(QueryRefused, match="Authentication failed"):
        await store.query("SELECT 1")
    await store.aclose()

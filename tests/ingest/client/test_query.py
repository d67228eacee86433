import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trio

from actors.stores.embedded import EmbeddedStore
from actors.stores.store import StoreBusy
from actors.stores.url import EmbeddedAddress
from ingest.client.query import Answer, QueryError, ask_all, query
from ingest.settings import Settings
from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port

STATEMENTS = ["SELECT 1 AS one", "SELECT nothing", "SELECT 2 AS two"]


def settings_of(url: str, state: Path | str = "var") -> Settings:
    return Settings.model_validate({"CLICKHOUSE_URL": url, "SLUICE_STATE_DIR": str(state)})


def make_store(path: Path) -> None:
    store = EmbeddedStore(EmbeddedAddress(path))

    async def make() -> None:
        await store.open()
        await store.aclose()

    trio.run(make)


def test_a_query_makes_nothing_on_a_server(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        settings = settings_of(server.url())
        assert list(query(settings, "SHOW TABLES")) == []
        with pytest.raises(QueryError, match="SETTINGS are not accepted"):
            query(settings, "SELECT 1 SETTINGS readonly = 0")


def test_a_server_that_is_away() -> None:
    with pytest.raises(QueryError, match="the connection to ClickHouse failed"):
        query(settings_of(f"clickhouse://127.0.0.1:{free_port()}/x"), "SELECT 1")


def test_an_embedded_store_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=f"there is no store in {tmp_path}/chdb"):
        query(settings_of(f"chdb://{tmp_path}/chdb"), "SELECT 1")
    assert list(tmp_path.iterdir()) == []


def test_an_embedded_store_that_exists(tmp_path: Path) -> None:
    pytest.importorskip("chdb")
    make_store(tmp_path / "chdb")
    assert query(settings_of(f"chdb://{tmp_path}/chdb"), "SELECT 1 AS one") == ['{"one":1}']


def texts(answers: list[Answer]) -> list[list[str] | str]:
    return [str(one) if isinstance(one, QueryError) else one for one in answers]


def test_a_refused_query_does_not_stop_the_others(tmp_path: Path) -> None:
    pytest.importorskip("chdb")
    make_store(tmp_path / "chdb")
    one, refused, two = texts(ask_all(settings_of(f"chdb://{tmp_path}/chdb"), STATEMENTS))
    assert (one, two) == (['{"one":1}'], ['{"two":2}'])
    assert "nothing" in refused


def test_a_server_is_asked_over_one_connection(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        one, refused, two = texts(ask_all(settings_of(server.url()), STATEMENTS))
    assert (one, two) == (['{"one":1}'], ['{"two":2}'])
    assert "nothing" in refused


def test_a_store_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="the connection to ClickHouse failed"):
        ask_all(settings_of(f"clickhouse://127.0.0.1:{free_port()}/x"), STATEMENTS)
    with pytest.raises(QueryError, match="there is no store in"):
        ask_all(settings_of(f"chdb://{tmp_path}/chdb"), STATEMENTS)
    assert list(tmp_path.iterdir()) == []


class Answers(BaseHTTPRequestHandler):
    """A server that refuses what it does not know, and fails."""

    def do_POST(self) -> None:
        sql = self.rfile.read(int(self.headers["content-length"])).decode()
        status = {"SELECT nothing": 400, "SELECT failure": 503}.get(sql, 200)
        answer = {"errors": {"query": [f"no: {sql}"]}} if status != 200 else {"sql": sql}
        body = json.dumps(answer, ensure_ascii=False)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def a_server(directory: Path) -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        (directory / "server.json").write_text(
            json.dumps({"port": server.server_port, "token": "t"})
        )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def busy(*_: object) -> None:
    raise StoreBusy("in use by another process")


def test_the_running_server_is_asked_for_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.client.query.open_store", busy)
    settings = settings_of("chdb://chdb", tmp_path)
    with a_server(tmp_path):
        assert texts(ask_all(settings, STATEMENTS)) == [
            ['{"sql": "SELECT 1 AS one"}'],
            "no: SELECT nothing",
            ['{"sql": "SELECT 2 AS two"}'],
        ]
        # As ClickHouse does, the server does not escape this end of a line.
        assert texts(ask_all(settings, ["SELECT '\u0085'"])) == [['{"sql": "SELECT \'\u0085\'"}']]
        with pytest.raises(QueryError, match="no: SELECT failure"):
            ask_all(settings, ["SELECT failure", "SELECT 1"])
    with pytest.raises(QueryError, match="does not answer"):
        ask_all(settings, STATEMENTS)
    (tmp_path / "server.json").unlink()
    with pytest.raises(QueryError, match="in use by another process"):
        ask_all(settings, STATEMENTS)

"""The server from the view of operators, clients and attackers."""

import json
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.sluice import CHROME, SINGLE_PROCESS, SITES, Sluice
from tests.waiting import wait_until


def raw(sluice: Sluice, sent: bytes, *, half_close: bool = True) -> bytes:
    """Send bytes on a socket; return all received bytes until the server closes it."""
    with socket.create_connection(("127.0.0.1", sluice.port), timeout=60) as connection:
        received = b""
        try:
            connection.sendall(sent)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
        except TimeoutError:
            raise
        except OSError:
            pass
        return received


HEAD = b"POST /api/event HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"\x00\xff\x16\x03\x01\x02\x00", b"400", id="TLS to a plain port"),
        pytest.param(b"hello\r\n\r\n", b"400", id="no HTTP"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", b"4", id="unknown version"),
        pytest.param(b"GET /" + b"a" * 70_000, None, id="endless target"),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000, None, id="endless header"),
        pytest.param(HEAD + b"content-length: nine\r\n\r\n", b"400", id="no length"),
        pytest.param(HEAD + b"content-length: -1\r\n\r\n", b"400", id="negative length"),
        pytest.param(
            HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", b"400", id="two lengths"
        ),
        pytest.param(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", b"400", id="no chunk"),
        pytest.param(HEAD + b"bad header\r\n\r\n", b"400", id="no header"),
        pytest.param(HEAD + b"content-length: 5\r\n\r\n{}", None, id="body cut short"),
        pytest.param(
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: x\r\n\r\n\xff\xff\xff",
            b"4",
            id="websocket and more",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
            b"http2-settings: !!!\r\n\r\n\x00",
            None,
            id="HTTP/2 upgrade and rubbish",
        ),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00", None, id="HTTP/2 and rubbish"),
    ],
)
def test_bad_bytes(sluice: Sluice, sent: bytes, status: bytes | None) -> None:
    answer = raw(sluice, sent)
    if status is not None:
        assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert b"HTTP/1.1 5" not in answer
    assert sluice.client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("content_type", "status"), [("text/plain", 400), ("application/json", 413)]
)
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit(
    sluice: Sluice, content_type: str, status: int, declared: bool
) -> None:
    block = b"x" * 50_000
    size = 40 * len(block)
    framing = b"content-length: %d\r\n" % size if declared else b"transfer-encoding: chunked\r\n"
    received = b""
    with socket.create_connection(("127.0.0.1", sluice.port), timeout=60) as connection:
        connection.sendall(HEAD + b"content-type: " + content_type.encode() + b"\r\n" + framing)
        connection.sendall(b"\r\n")
        try:
            for _ in range(40):
                connection.sendall(block if declared else b"c350\r\n" + block + b"\r\n")
        except (ConnectionResetError, BrokenPipeError):
            pass
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    assert not received or received.startswith(b"HTTP/1.1 %d" % status), received
    assert sluice.client.get("/health").status_code == 200


ONE_STORE = pytest.mark.parametrize("store", ["chdb"], indirect=True)
"""For slow tests that do not depend on the store."""


@ONE_STORE
def test_a_slow_head_is_timed_out(sluice: Sluice) -> None:
    assert raw(sluice, b"POST /api/event HTTP/1.1\r\n", half_close=False) == b""


@ONE_STORE
def test_a_slow_body_is_timed_out(sluice: Sluice) -> None:
    answer = raw(sluice, HEAD + b"content-length: 10\r\n\r\n{", half_close=False)
    assert answer.startswith(b"HTTP/1.1 408"), answer


def test_pipelined_requests(sluice: Sluice) -> None:
    body = b'{"n":"pageview","u":"https://example.com/pipelined","d":"example.com"}'
    request = (
        b"POST /api/event HTTP/1.1\r\nhost: a\r\nuser-agent: %s\r\ncontent-length: %d\r\n\r\n%s"
        % (CHROME.encode(), len(body), body)
    )
    closing = request.replace(b"host: a", b"host: a\r\nconnection: close")
    answer = raw(sluice, request * 3 + closing, half_close=False)
    assert answer.count(b"HTTP/1.1 202") == 4
    assert len(sluice.events("pathname = '/pipelined'", 4)) == 4


OPEN_ROUTES = ("/api/event", "/health", "/ready", "/api/health", "/nowhere")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("OPTIONS", "/api/event", {}, 204),
        ("GET", "/api/event", {}, 405),
        ("DELETE", "/api/event", {}, 405),
        ("GET", "/nowhere", {}, 404),
        ("POST", "/api/event", {"accept": "text/html"}, 406),
        ("GET", "/health", {}, 200),
        ("GET", "/ready", {}, 200),
        ("GET", "/api/health", {}, 200),
        ("GET", "/metrics", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/", {}, 200),
        ("HEAD", "/", {}, 200),
        ("GET", "/page/page.js", {}, 200),
        ("HEAD", "/page/page.js", {}, 200),
        ("GET", "/page/nowhere.js", {}, 404),
        ("HEAD", "/api/status", {}, 200),
        ("OPTIONS", "/api/status", {}, 200),
        ("POST", "/api/status", {}, 405),
        ("GET", "/api/status", {"host": "rebound.example"}, 403),
        ("GET", "/metrics", {"x-forwarded-for": "203.0.113.9"}, 403),
        ("POST", "/api/query", {}, 403),
        ("POST", "/api/query", {"authorization": "Bearer wrong"}, 403),
    ],
)
def test_routes(
    sluice: Sluice, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    response = sluice.client.request(method, path, headers=headers)
    assert response.status_code == status
    # Routing errors are readable by any page, as they contain no information.
    is_open = path in OPEN_ROUTES or status == 405
    assert ("access-control-allow-origin" in response.headers) is is_open
    if method in ("OPTIONS", "HEAD") and not is_open:
        assert response.text == ""
    elif method == "OPTIONS":
        assert "POST" in response.headers["access-control-allow-methods"]
        assert int(response.headers["access-control-max-age"]) > 0
        assert response.text == ""
    elif status >= 400:
        assert response.json()["errors"]


# A front reports its outbox and the cluster instead of the store and the visits.
@SINGLE_PROCESS
def test_ready_tells_what_works(sluice: Sluice, store: str) -> None:
    wait_until(sluice.ready, sluice.log_text)
    report = sluice.client.get("/ready").json()
    assert report["store"]["kind"] == store.partition("-")[0]
    registry = report["registry"]
    assert registry.pop("file_written_ns") > 0
    assert registry == {"status": "ok", "sites": SITES.count("[[site]]")}
    assert set(report["actors"]) >= {"gate", "enrichment", "sessions", "batcher", "writer"}
    assert sluice.client.get("/api/health").json() == {
        "postgres": "ok",
        "clickhouse": "ok",
        "sites_cache": "ok",
        "sessions": "ok",
    }


# Each member of a cluster counts what it does; which one counts what is the matter of unit tests.
@SINGLE_PROCESS
def test_metrics_name_what_happens(sluice: Sluice) -> None:
    sluice.send()
    sluice.client.post("/api/event", content="{}")
    figures = sluice.client.get("/metrics").text
    for name in (
        'sluice_events_accepted_total{site="example.com"}',
        'sluice_validation_errors_total{field="url"}',
        'sluice_request_duration_seconds_count{route="/api/event",status="202"}',
        'sluice_channel_depth{actor="gate"}',
        "sluice_sessions_open",
        "sluice_event_loop_lag_seconds",
    ):
        assert name in figures


def test_query_while_the_server_runs(sluice: Sluice) -> None:
    answer = sluice.command("query", "SELECT 1 AS one, 'x' AS x FORMAT JSONEachRow")
    assert (answer.returncode, answer.stdout) == (0, '{"one":1,"x":"x"}\n'), answer.stderr
    refused = sluice.command("query", "DROP TABLE events_v2")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("Error: ")
    sluice.send(url="https://example.com/queried")
    assert len(sluice.events("pathname = '/queried'")) == 1


def test_no_address_and_no_agent_in_the_log(sluice: Sluice) -> None:
    sluice.send(headers={"x-forwarded-for": "198.51.100.201"})
    log = sluice.log_text()
    assert "198.51.100.201" not in log
    assert "AppleWebKit" not in log


def test_sites_are_reloaded(fresh: Sluice) -> None:
    def write(sites: str) -> None:
        # The server must not read a file that is half written.
        temporary = fresh.sites.with_suffix(".new")
        temporary.write_text(sites)
        temporary.replace(fresh.sites)

    with fresh:
        assert fresh.send(domain="late.example").headers["x-plausible-dropped"] == "1"
        write(SITES + '\n[[site]]\nid = 99\ndomain = "late.example"\n')
        wait_until(lambda: "x-plausible-dropped" not in fresh.send(domain="late.example").headers)
        write('[[site]]\nid = "one"\n')
        wait_until(lambda: fresh.client.get("/ready").json()["registry"]["status"] == "degraded")
        assert "id" in fresh.client.get("/ready").json()["registry"]["reason"]
        assert "x-plausible-dropped" not in fresh.send(domain="late.example").headers


def test_sigterm_under_load_loses_nothing(fresh: Sluice) -> None:
    fresh.environment["SLUICE_FLUSH_SECONDS"] = "3"
    accepted = 0
    lock = threading.Lock()
    stopping = threading.Event()

    def hammer(worker: int) -> None:
        nonlocal accepted
        with httpx.Client(base_url=fresh.url, headers={"user-agent": CHROME}, timeout=60) as client:
            number = 0
            while not stopping.is_set() or number % 20:
                number += 1
                body = {"n": "pageview", "u": f"https://example.com/{worker}", "d": "example.com"}
                headers = {"x-forwarded-for": f"198.51.{worker}.{number % 200}"}
                try:
                    response = client.post("/api/event", json=body, headers=headers)
                except httpx.TransportError:
                    return
                if response.status_code == 202:
                    with lock:
                        accepted += 1

    with fresh, ThreadPoolExecutor(16) as pool:
        workers = [pool.submit(hammer, worker) for worker in range(16)]
        wait_until(lambda: accepted > 300)
        assert fresh.stop(signal.SIGTERM) == 0
        stopping.set()
        for worker in workers:
            worker.result()
    answer = fresh.command("query", "SELECT count() AS n FROM events_v2")
    stored = json.loads(answer.stdout)["n"]
    # A client may miss the response to a pending request when the server closes the connection.
    assert accepted <= stored <= accepted + 16, answer.stderr


def test_a_restart_continues_visits(fresh: Sluice) -> None:
    with fresh:
        fresh.send(url="https://example.com/before")
        assert fresh.stop() == 0
    with fresh:
        fresh.send(url="https://example.com/after")
        rows = fresh.events("1", 2)
        assert len({row["session_id"] for row in rows}) == 1
        assert len({row["user_id"] for row in rows}) == 1
        assert fresh.stop(signal.SIGINT) == 0
    answer = fresh.command(
        "query", "SELECT sum(sign) AS v, sum(sign * pageviews) AS p, count() AS n FROM sessions_v2"
    )
    assert json.loads(answer.stdout) == {"v": 1, "p": 2, "n": 3}


def test_an_outage_of_the_server_loses_and_doubles_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = ClickHouseServer(tmp_path_factory.mktemp("outage"))
    with server, Sluice(tmp_path, server.url("outage")) as sluice:
        for number in range(60):
            if number == 20:
                server.kill()
            if number == 40:
                wait_until(lambda: sluice.client.get("/ready").json()["status"] == "degraded")
                server.start()
            sent = sluice.send(url=f"https://example.com/{number}")
            assert (sent.status_code, sent.headers.get("x-plausible-dropped")) == (202, None)
        assert len(sluice.events("1", 60)) == 60
        assert sluice.stop() == 0


def test_without_a_journal_what_a_dead_store_does_not_take_is_kept_as_letters(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with ClickHouseServer(tmp_path_factory.mktemp("letters")) as server:
        environment = {"SLUICE_SHUTDOWN_SECONDS": "4", "SLUICE_DURABILITY": "memory"}
        with Sluice(tmp_path, server.url("letters"), **environment) as sluice:
            sluice.send()
            sluice.events("1")
            server.kill()
            for _ in range(5):
                sluice.send()
            assert sluice.stop() == 0
            letters = sluice.command("dead-letters", "--json").stdout.splitlines()
            assert {json.loads(letter)["to_be_replayed"] for letter in letters} == {True}
        server.start()
        with sluice:
            assert len(sluice.events("1", 6)) == 6
            wait_until(lambda: sluice.command("dead-letters", "--json").stdout == "")


@pytest.mark.parametrize("store_up", [False, True], ids=["store down", "store up"])
def test_kill_9_loses_and_doubles_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, store_up: bool
) -> None:
    """Kill it with events in memory, then again during the replay."""
    with ClickHouseServer(tmp_path_factory.mktemp("killed")) as server:
        sluice = Sluice(tmp_path, server.url("killed"), SLUICE_FLUSH_SECONDS="0.2")
        pages = 0
        for _ in range(3):
            with sluice:
                if not store_up:
                    server.kill()
                for _ in range(40):
                    sent = sluice.send(url=f"https://example.com/{pages}")
                    assert (sent.status_code, sent.headers.get("x-plausible-dropped")) == (
                        202,
                        None,
                    )
                    pages += 1
                assert sluice.stop(signal.SIGKILL) == -signal.SIGKILL
            if not store_up:
                server.start()
        with sluice:
            events = sluice.events("1", pages)
            assert sorted(int(row["pathname"][1:]) for row in events) == list(range(pages))
            assert len({row["session_id"] for row in events}) == 1
            # Visits are stored after events.
            wait_until(lambda: sluice.client.get("/ready").json()["journal"]["backlog_events"] == 0)
            (visit,) = sluice.query(
                "SELECT sum(sign) AS v, sum(sign * pageviews) AS p FROM sessions_v2"
            )
            assert visit == {"v": 1, "p": pages}


def test_turning_the_journal_off_loses_nothing(fresh: Sluice) -> None:
    with fresh:
        fresh.send(url="https://example.com/journal")
        fresh.stop(signal.SIGKILL)
    fresh.environment["SLUICE_DURABILITY"] = "memory"
    with fresh:
        fresh.send(url="https://example.com/memory")
        assert len({row["session_id"] for row in fresh.events("1", 2)}) == 1
        assert fresh.stop() == 0
    assert not (fresh.state / "journal").exists()


def test_what_a_dead_store_does_not_take_is_stored_after_the_next_start(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with ClickHouseServer(tmp_path_factory.mktemp("dead")) as server:
        environment = {"SLUICE_SHUTDOWN_SECONDS": "4"}
        with Sluice(tmp_path, server.url("dead"), **environment) as sluice:
            sluice.send()
            sluice.events("1")
            server.kill()
            for _ in range(5):
                sluice.send()
            assert sluice.stop() == 0
            # The counters; events are in the journal.
            letters = sluice.command("dead-letters", "--json").stdout.splitlines()
            assert {json.loads(letter)["table"] for letter in letters} <= {"ingest_counters"}
        server.start()
        with sluice:
            assert len(sluice.events("1", 6)) == 6
            wait_until(lambda: sluice.command("dead-letters", "--json").stdout == "")
            # Visits are stored after events.
            wait_until(lambda: sluice.client.get("/ready").json()["journal"]["backlog_events"] == 0)
            (visit,) = sluice.query("SELECT sum(sign * pageviews) AS p FROM sessions_v2")
            assert visit == {"p": 6}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"CLICKHOUSE_URL": "mysql://nowhere"}, "CLICKHOUSE_URL"),
        ({"SLUICE_SITES": "missing.toml"}, "missing.toml"),
        ({"SLUICE_GEOIP_DATABASE": "missing.mmdb"}, "missing.mmdb"),
        ({"SLUICE_FLUSH_ROWS": "many"}, "SLUICE_FLUSH_ROWS"),
        ({"PORT": "99999"}, "PORT"),
        ({"SLUICE_TRUSTED_PROXIES": "everybody"}, "SLUICE_TRUSTED_PROXIES"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_mistake_stops_the_start_with_one_message(
    tmp_path: Path, environment: dict[str, str], message: str, command: str
) -> None:
    finished = Sluice(tmp_path, "chdb://chdb", **environment).command(command)
    assert finished.returncode == 1
    output = finished.stdout + finished.stderr
    assert message in output
    assert "Traceback" not in output


def test_check_says_what_it_found(tmp_path: Path) -> None:
    finished = Sluice(tmp_path, "chdb://chdb").command("check")
    assert finished.returncode == 0, finished.stderr
    assert "1 example.com" in finished.stdout
    assert "events_v2: MergeTree" in finished.stdout
    assert "the server can start" in finished.stdout


# `sluice engine check` has the tables of a cluster.
@SINGLE_PROCESS
def test_check_beside_a_running_server(sluice: Sluice) -> None:
    sluice.send()
    sluice.events("pathname = '/'")
    finished = sluice.command("check", "--json")
    assert finished.returncode == 0, finished.stdout
    report = json.loads(finished.stdout)
    found = {
        part["title"].partition(":")[0]: [finding["text"] for finding in part["findings"]]
        for part in report["sections"]
    }
    assert sluice.process is not None
    assert (
        f"in use by the running server (process {sluice.process.pid})" in found["state directory"]
    )
    (events,) = (text for text in found["store"] if text.startswith("events_v2: MergeTree"))
    assert "repeated inserts are recognised" in events
    assert " 0 columns" not in events


def test_one_server_per_state_directory(sluice: Sluice) -> None:
    second = sluice.command("serve")
    assert second.returncode == 1
    assert "state directory" in second.stderr

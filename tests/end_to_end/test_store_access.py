"""A ClickHouse server behind TLS, and users with limited rights."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documentation import CLICKHOUSE
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.sluice import Sluice
from tests.end_to_end.tls_proxy import Authority, TlsProxy
from tests.waiting import WAIT_SECONDS, wait_until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def tls(clickhouse: ClickHouseServer, authority: Authority) -> Iterator[TlsProxy]:
    with TlsProxy(clickhouse.tcp_port, authority.sign("localhost")) as proxy:
        yield proxy


def store_section(sluice: Sluice) -> list[str]:
    """Return the store's lines in the output of `sluice check`, which has no stack trace."""
    checked = sluice.command("check")
    assert "Traceback" not in checked.stdout + checked.stderr
    section = checked.stdout.partition("\nstore\n")[2].partition("\nmachine\n")[0]
    return [line.strip() for line in section.splitlines()]


def test_rows_are_stored_over_tls(tls: TlsProxy, authority: Authority, tmp_path: Path) -> None:
    url = f"clickhouses://default@localhost:{tls.port}/tls?ca_certs={authority.certificate}"
    with Sluice(tmp_path, url) as sluice:
        sluice.send(url="https://example.com/over-tls")
        assert len(sluice.events("pathname = '/over-tls'")) == 1
        assert sluice.stop() == 0


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        pytest.param(
            "clickhouses://default@localhost:{tls}/tls",
            "the certificate of localhost:{tls} is not trusted: unable to get local issuer",
            id="unknown authority",
        ),
        pytest.param(
            "clickhouses://default@localhost:{tls}/tls?ca_certs={stranger}",
            "the certificate of localhost:{tls} is not trusted: unable to get local issuer",
            id="another authority",
        ),
        pytest.param(
            "clickhouses://default@127.0.0.1:{tls}/tls?ca_certs={authority}",
            "the certificate of 127.0.0.1:{tls} is not trusted: IP address mismatch",
            id="another host",
        ),
        pytest.param(
            "clickhouse://default@localhost:{tls}/tls",
            "localhost:{tls} hung up at the greeting (does it expect TLS",
            id="no TLS to a port with TLS",
        ),
    ],
)
def test_what_cannot_be_reached_over_tls_is_told_and_waited_for(
    tls: TlsProxy,
    authority: Authority,
    stranger: Authority,
    tmp_path: Path,
    url: str,
    problem: str,
) -> None:
    values = {
        "tls": tls.port,
        "authority": authority.certificate,
        "stranger": stranger.certificate,
    }
    with Sluice(tmp_path, url.format(**values), SLUICE_SHUTDOWN_SECONDS="4") as sluice:
        assert sluice.send().status_code == 202
        told, advice = store_section(sluice)
        assert told.startswith("problem")
        assert problem.format(**values) in told
        assert advice.startswith("→ start the store, or correct CLICKHOUSE_URL")
        assert sluice.stop() == 0
        assert "Traceback" not in sluice.log_text()
    assert "ok       journal: 1 events wait for the store" in sluice.command("check").stdout


def test_tls_to_a_port_without(tmp_path: Path, authority: Authority) -> None:
    # Use a separate server, because this build may abort on invalid input.
    with ClickHouseServer(tmp_path / "clickhouse") as server:
        url = f"clickhouses://default@localhost:{server.tcp_port}/x"
        told, _ = store_section(Sluice(tmp_path, f"{url}?ca_certs={authority.certificate}"))
        assert f"TLS with localhost:{server.tcp_port} failed: wrong version number" in told


@pytest.mark.parametrize("name", ["none.pem", "empty.pem"])
def test_authorities_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.pem").touch()
    path = tmp_path / name
    sluice = Sluice(tmp_path, f"clickhouses://default@localhost:1/x?ca_certs={path}")
    told, advice = store_section(sluice)
    assert told.startswith("problem  ca_certs: ")
    assert told.endswith(str(path))
    assert advice == "→ correct CLICKHOUSE_URL"
    assert sluice.launch().wait(WAIT_SECONDS) == 1
    assert "sluice: CLICKHOUSE_URL: ca_certs: " in sluice.log_text()


def documented_grants(user: str) -> list[str]:
    lines = CLICKHOUSE.read_text().splitlines()
    to_user = f" TO {user}"
    return [
        line.removesuffix(to_user)
        for line in lines
        if line.startswith("GRANT ") and line.endswith(to_user)
    ]


GRANTS = documented_grants("sluice")


def without(right: str) -> list[str]:
    return [grant.replace(f"{right}, ", "") for grant in GRANTS]


WRITING = "GRANT SELECT, INSERT ON stats."
NARROW = [
    f"{WRITING}events_v2",
    f"{WRITING}sessions_v2",
    f"{WRITING}ingest_counters",
    "GRANT dictGet ON stats.*",
]

USERS = {
    "narrow": NARROW,
    "least": GRANTS,
    "reader": documented_grants("sluice_query"),
    "noinsert": without("INSERT"),
    "noselect": without("SELECT"),
    "nocreate": without("CREATE TABLE"),
}


def user(name: str, grants: list[str]) -> str:
    rights = "".join(f"<query>{grant}</query>" for grant in grants)
    return (
        f"<{name}><password>secret</password><networks><ip>::/0</ip></networks>"
        f"<grants>{rights}</grants></{name}>"
    )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A server whose users have the documented rights, or all but one of them."""
    users = "".join(user(name, grants) for name, grants in USERS.items())
    with ClickHouseServer(tmp_path_factory.mktemp("guarded"), users=users) as server:
        execute(server, "CREATE DATABASE stats")
        yield server


def execute(server: ClickHouseServer, sql: str) -> None:
    wait_until(server.answers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{server.http_port}/", sql.encode(), timeout=60) as answer:
        assert answer.status == 200


def as_user(server: ClickHouseServer, name: str, directory: Path) -> Sluice:
    # It may restart after a user who was refused.
    wait_until(server.answers)
    return Sluice(directory, f"clickhouse://{name}:secret@127.0.0.1:{server.tcp_port}/stats")


def test_the_documented_grants_suffice(guarded: ClickHouseServer, tmp_path: Path) -> None:
    execute(guarded, "DROP DATABASE stats")
    execute(guarded, "CREATE DATABASE stats")
    with as_user(guarded, "least", tmp_path) as sluice:
        sluice.send(url="https://example.com/least")
        assert len(sluice.events("pathname = '/least'")) == 1
        assert sluice.stop() == 0
    # All log lines about the store were as expected.
    assert "left out" not in sluice.log_text()
    execute(guarded, "ALTER TABLE stats.events_v2 DROP COLUMN scroll_depth")
    section = store_section(as_user(guarded, "least", tmp_path))
    assert not [line for line in section if not line.startswith("ok ")]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "noinsert",
            "problem  the user noinsert may not insert into events_v2, sessions_v2, "
            "ingest_counters: GRANT INSERT ON `stats`.* TO `noinsert`",
        ),
        (
            "noselect",
            "warning  the user noselect may not read events_v2, sessions_v2, "
            "ingest_counters, so queries fail: GRANT SELECT ON `stats`.* TO `noselect`",
        ),
    ],
)
def test_a_right_that_lacks(
    guarded: ClickHouseServer, tmp_path: Path, name: str, told: str
) -> None:
    assert told in store_section(as_user(guarded, name, tmp_path))


def test_servers_that_may_not_find_each_other(guarded: ClickHouseServer, tmp_path: Path) -> None:
    # The first makes the tables, and the table of servers.
    least = as_user(guarded, "least", tmp_path)
    assert not [line for line in store_section(least) if line.startswith("problem")]
    with as_user(guarded, "narrow", tmp_path) as sluice:
        sluice.send(url="https://example.com/narrow")
        assert len(sluice.events("pathname = '/narrow'")) == 1
        wait_until(sluice.ready, sluice.log_text)
        (told,) = [line for line in store_section(sluice) if "other servers" in line]
        assert told.startswith("warning  other servers of this database cannot be found: narrow: ")
        assert "SELECT" in told
        assert sluice.stop() == 0
    assert "error" not in sluice.log_text()


def test_queries_have_a_user_of_their_own(guarded: ClickHouseServer, tmp_path: Path) -> None:
    told = (
        "warning  queries run as the user default, who may reach beyond the server "
        "(FILE, URL, REMOTE, S3, MYSQL, POSTGRES)"
    )
    url = guarded.url("stats")
    assert told in store_section(Sluice(tmp_path, url))
    own = f"{url}?query_user=reader&query_password=secret"
    with Sluice(tmp_path, own) as sluice:
        (row,) = sluice.query("SELECT currentUser() AS user, count() >= 0 AS n FROM events_v2")
        assert row == {"user": "reader", "n": 1}
        assert sluice.stop() == 0
    assert not [line for line in store_section(Sluice(tmp_path, own)) if "reach" in line]


def test_a_server_whose_user_may_not_insert(guarded: ClickHouseServer, tmp_path: Path) -> None:
    sluice = as_user(guarded, "noinsert", tmp_path)
    assert sluice.launch().wait(WAIT_SECONDS) == 1
    assert "CLICKHOUSE_URL: the user noinsert may not insert into" in sluice.log_text()


def test_tables_that_may_not_be_made(guarded: ClickHouseServer, tmp_path: Path) -> None:
    execute(guarded, "DROP TABLE IF EXISTS stats.ingest_counters")
    told, _ = store_section(as_user(guarded, "nocreate", tmp_path))
    assert told.startswith("problem")
    assert "nocreate: Not enough privileges" in told
    assert "the grant CREATE TABLE ON stats.ingest_counters" in told
    wait_until(guarded.answers)

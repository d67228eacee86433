"""Sites and salts that are followed in a real PostgreSQL with Plausible's tables."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from siphashc import siphash

from ingest.plausible.postgres import PlausibleError, PlausibleReader
from tests.cluster.brokers import Brokers
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.cluster import Cluster
from tests.end_to_end.postgres_server import PASSWORD, PostgresServer
from tests.end_to_end.sluice import CHROME, Sluice
from tests.end_to_end.test_import_plausible import TODAY, Make, Plausible, full, make, postgres
from tests.waiting import WAIT_SECONDS, wait_until

__all__ = ["make", "postgres"]


def test_each_change_is_found_once(make: Make) -> None:
    plausible = full(make)
    with closing(PlausibleReader(plausible.url)) as reader:
        first = reader.read_changes()
        assert first is not None
        assert [site.id for site in first.sites] == [1, 2]
        assert reader.read_changes() is None
        for change in (
            "INSERT INTO sites (id, domain) VALUES (3, 'three.example')",
            "UPDATE sites SET domain = 'drei.example' WHERE id = 3",
            "UPDATE sites SET domain = 'tres.example' WHERE id = 3",
            "DELETE FROM sites WHERE id = 3",
            "UPDATE teams SET accept_traffic_until = NULL",
            "INSERT INTO goals (site_id, event_name, currency) VALUES (1, 'x', 'USD')",
            "DELETE FROM shield_rules_ip WHERE inet = '192.0.2.1'",
            "UPDATE shield_rules_page SET page_path = '/x'",
            "INSERT INTO tracker_script_configuration (id, site_id) VALUES ('abc', 1)",
            f"INSERT INTO salts (salt, inserted_at) VALUES ('\\x{TODAY.hex()}', now())",
        ):
            before = reader.read_changes(everything=True)
            plausible.run(change)
            data = reader.read_changes()
            assert data is not None, change
            assert data != before, change
            assert reader.read_changes() is None, change
        assert reader.read_changes(everything=True) == data


def test_a_lost_connection_is_opened_again(make: Make) -> None:
    plausible = full(make)
    with closing(PlausibleReader(plausible.url)) as reader:
        data = reader.read_changes()
        plausible.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'sluice' AND datname = current_database()"
        )
        with pytest.raises(PlausibleError):
            reader.read_changes()
        assert reader.read_changes() == data


def test_a_reading_that_waits_can_be_interrupted(make: Make, postgres: PostgresServer) -> None:
    plausible = full(make)
    with (
        closing(PlausibleReader(plausible.url)) as reader,
        ThreadPoolExecutor(1) as pool,
        postgres.connect(plausible.url.rpartition("/")[2]) as other,
    ):
        data = reader.read_changes()
        with other.transaction():
            other.execute("LOCK TABLE sites IN ACCESS EXCLUSIVE MODE")
            waiting = pool.submit(reader.read_changes)
            wait_until(lambda: other.execute(WAITING).fetchall())
            reader.interrupt()
            with pytest.raises(PlausibleError):
                waiting.result(WAIT_SECONDS)
        assert reader.read_changes() == data


WAITING = """
SELECT 1 FROM pg_stat_activity WHERE application_name = 'sluice' AND wait_event_type = 'Lock'
"""


def test_new_columns_are_found_when_everything_is_read(make: Make) -> None:
    plausible = make("2023-04")
    plausible.site(1, "one.example")
    with closing(PlausibleReader(plausible.url)) as reader:
        data = reader.read_changes()
        assert data is not None
        assert "revenue_goals" not in data.known
        plausible.run("ALTER TABLE goals ADD currency varchar(255)")
        data = reader.read_changes(everything=True)
        assert data is not None
        assert "revenue_goals" in data.known


def test_a_migration_that_takes_a_table_away(make: Make) -> None:
    plausible = full(make)
    with closing(PlausibleReader(plausible.url)) as reader:
        reader.read_changes()
        plausible.run("DROP TABLE shield_rules_page")
        with pytest.raises(PlausibleError, match="does not exist"):
            reader.read_changes()
        data = reader.read_changes()
        assert data is not None
        assert "page" not in data.known


def test_views_cannot_be_followed(make: Make) -> None:
    plausible = make()
    plausible.run("ALTER TABLE sites RENAME TO all_sites")
    plausible.run("CREATE VIEW sites AS SELECT id, domain FROM all_sites")
    with (
        closing(PlausibleReader(plausible.url)) as reader,
        pytest.raises(PlausibleError, match="xmin") as raised,
    ):
        reader.read_changes()
    assert "views" in raised.value.advice


LOCAL = """
[[site]]
id = 1
domain = "one.example"
server_key = "a-secret-of-16-characters"

[[site]]
id = 2
domain = "ours.example"
"""


def followed(make: Make) -> Plausible:
    plausible = make()
    plausible.site(1, "one.example")
    plausible.salt(TODAY, time.time())
    return plausible


def follower(directory: Path, plausible: Plausible) -> Sluice:
    (directory / "local.toml").write_text(LOCAL)
    return Sluice(
        directory, "chdb://chdb", SLUICE_SITES=plausible.url, SLUICE_LOCAL_SITES="local.toml"
    )


def registry(server: Sluice) -> dict[str, Any]:
    answer = server.client.get("/ready", headers={"authorization": f"Bearer {server.token}"})
    report: dict[str, Any] = answer.json()["registry"]
    return report


def stores(server: Sluice, domain: str, path: str = "/", **headers: str) -> bool:
    answer = server.send(url=f"https://{domain}{path}", domain=domain, headers=headers)
    assert answer.status_code == 202
    return "x-plausible-dropped" not in answer.headers


def user_id(key: bytes, domain: str, address: str) -> int:
    return siphash(key, f"{CHROME}{address}{domain}{domain}".encode())


def test_changes_are_seen_while_the_server_runs(make: Make, tmp_path: Path) -> None:
    plausible = followed(make)
    with follower(tmp_path, plausible) as server:
        assert registry(server)["status"] == "ok"
        assert stores(server, "one.example", **{"x-forwarded-for": "198.51.100.7"})
        assert not stores(server, "ours.example")

        assert not stores(server, "new.example")
        plausible.site(9, "new.example")
        wait_until(lambda: stores(server, "new.example"), server.log_text)

        plausible.rule("page", 9, "/admin/**")
        wait_until(lambda: not stores(server, "new.example", "/admin/x"))
        plausible.run("DELETE FROM shield_rules_page")
        wait_until(lambda: stores(server, "new.example", "/admin/x"))
        plausible.run("UPDATE sites SET domain = 'newer.example' WHERE id = 9")
        wait_until(lambda: stores(server, "newer.example"))
        assert not stores(server, "new.example")

        salts = server.state / "salts.json"
        key = b"the next of them"
        plausible.salt(key, time.time() + 1)
        wait_until(lambda: key.hex() in salts.read_text())
        assert stores(server, "one.example", **{"x-forwarded-for": "198.51.100.8"})
        ids = {row["user_id"] for row in server.events("site_id = 1", 2)}
        assert ids == {
            user_id(TODAY, "one.example", "198.51.100.7"),
            user_id(key, "one.example", "198.51.100.8"),
        }

        plausible.run("DELETE FROM sites WHERE id = 9")
        wait_until(lambda: not stores(server, "newer.example"))
        assert registry(server) == {
            "status": "ok",
            "source": "postgres",
            "sites": 1,
            "file_written_ns": (tmp_path / "local.toml").stat().st_mtime_ns,
        }


def test_a_start_without_postgresql(make: Make, postgres: PostgresServer, tmp_path: Path) -> None:
    plausible = followed(make)
    server = follower(tmp_path, plausible)
    with server:
        assert stores(server, "one.example")
        admit(postgres, plausible, False)
        wait_until(lambda: registry(server)["status"] == "degraded")
        assert server.client.get("/ready").status_code == 200
        assert stores(server, "one.example")
        assert server.stop() == 0
    with server:
        assert stores(server, "one.example")
        assert "is not currently accepting connections" in registry(server)["reason"]
        answer = server.client.get(
            "/api/status", headers={"authorization": f"Bearer {server.token}"}
        )
        assert "Plausible's PostgreSQL is not followed in all (" in answer.text
        assert "qzx" not in server.log_text() + answer.text
        admit(postgres, plausible, True)
        with postgres.connect(plausible.url.rpartition("/")[2]) as connection:
            connection.execute("INSERT INTO sites (id, domain) VALUES (9, 'new.example')")
        wait_until(lambda: stores(server, "new.example"))
        assert registry(server)["status"] == "ok"


def test_the_fronts_of_a_cluster_follow(
    make: Make, brokers: Brokers, clickhouse: ClickHouseServer, tmp_path: Path
) -> None:
    plausible = followed(make)
    name = tmp_path.name.replace("-", "_")[-60:]
    url = clickhouse.url(name)
    with Cluster(tmp_path, url, brokers, f"{name}.", workers=1, SLUICE_SITES=plausible.url) as all_:
        plausible.site(9, "new.example")
        for front in all_.fronts:
            wait_until(lambda front=front: stores(front, "new.example"), front.log_text)
        for number, front in enumerate(all_.fronts):
            assert stores(front, "one.example", f"/{number}", **{"x-forwarded-for": "198.51.100.7"})
        rows = all_.events("site_id = 1", 2)
        assert {row["user_id"] for row in rows} == {user_id(TODAY, "one.example", "198.51.100.7")}
        assert len({row["session_id"] for row in rows}) == 1
        assert registry(all_.fronts[1])["status"] == "ok"


def test_the_first_start_needs_postgresql(
    make: Make, postgres: PostgresServer, tmp_path: Path
) -> None:
    plausible = followed(make)
    admit(postgres, plausible, False)
    server = follower(tmp_path, plausible)
    process = server.launch()
    assert process.wait(timeout=WAIT_SECONDS) == 1
    assert "is not currently accepting connections" in server.log_text()
    assert "qzx" not in server.log_text()


def admit(postgres: PostgresServer, plausible: Plausible, admitted: bool) -> None:
    """Let clients into Plausible's database, or end their connections and refuse new ones."""
    name = plausible.url.rpartition("/")[2]
    with postgres.connect("postgres") as connection:
        connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS {admitted}'.encode())
        if not admitted:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )


def test_commands(make: Make, tmp_path: Path) -> None:
    plausible = followed(make)
    plausible.rule("country", 1, "XK1")
    server = follower(tmp_path, plausible)
    check = server.command("check")
    for text in (
        "Plausible's PostgreSQL can be read",
        "Plausible's salts are used",
        "not used: site 1 one.example: country rule",
        "ours.example is in the local sites file, but is no site of Plausible",
        "1 one.example: a server key",
    ):
        assert text in check.stdout
    listed = server.command("sites", "list")
    assert listed.returncode == 0
    assert "1   one.example" in listed.stdout
    assert "the sites of Plausible's PostgreSQL" in listed.stderr
    imported = server.command("sites", "import-plausible", plausible.url, "--no-salts")
    assert imported.returncode == 1
    assert "change them in Plausible's dashboard" in imported.stderr
    (tmp_path / "lines").write_text(
        '{"timestamp": "2026-01-01T00:00:00Z", "name": "pageview", "url": "https://one.example/"}'
    )
    past = server.command("import", "lines", "--site", "one.example", "--dry-run")
    assert past.returncode == 0, past.stderr
    for output in (check, listed, imported, past):
        assert PASSWORD not in output.stdout + output.stderr
        assert "qzx" not in output.stdout + output.stderr

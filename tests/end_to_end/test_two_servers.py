"""Two servers with state directories of their own that write to one database."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.plausible_database import PlausibleDatabase
from tests.end_to_end.sluice import Sluice
from tests.waiting import wait_until

WARNING = "another server writes to this database"
OVER = "another server no longer writes to this database"
PUBLIC = {"x-forwarded-for": "198.51.100.77"}


class QuickSluice(Sluice):
    """A server that beats every half second."""

    module = "tests.end_to_end.quick_beats"
    program = (module, "serve")

    def part(self, **headers: str) -> dict[str, Any]:
        """Return this part of the readiness report, once all other parts are well."""
        reports: list[dict[str, Any]] = []

        def others_are_well() -> bool:
            answer = self.client.get("/ready", headers=headers)
            assert answer.status_code == 200
            reports.append(answer.json())
            return bool(reports[-1]["status"] == reports[-1]["other_servers"]["status"])

        # The store may be away for a moment, see `ClickHouseServer`.
        wait_until(others_are_well, self.log_text)
        return dict(reports[-1]["other_servers"])

    def others(self) -> int:
        """Return the gauge."""
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith("sluice_other_servers "):
                return int(float(line.split()[1]))
        raise AssertionError("no such gauge")

    def findings(self) -> list[str]:
        """Return what the live page says of the database."""
        findings = self.client.get("/api/status").json()["findings"]
        return [each["what"] for each in findings if each["part"] == "database"]


@pytest.fixture
def two(clickhouse: ClickHouseServer, tmp_path: Path) -> Iterator[tuple[QuickSluice, QuickSluice]]:
    """Two servers on one database, not yet started."""
    pair = []
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        pair.append(QuickSluice(directory, clickhouse.url(f"{tmp_path.name}_shared")))
    yield pair[0], pair[1]
    for each in pair:
        each.__exit__()


def test_both_warn_until_one_ends(two: tuple[QuickSluice, QuickSluice]) -> None:
    one, other = two
    one.start()
    assert one.part() == {"status": "ok", "count": 0}
    other.start()
    for us, them in ((one, other), (other, one)):
        wait_until(lambda us=us: us.part()["status"] == "degraded", us.log_text)
        part = us.part()
        assert part["count"] == us.others() == 1
        assert part["reason"].endswith(f":{them.port}")
        assert us.part(**PUBLIC) == {"status": "degraded", "count": 1}
        (what,) = us.findings()
        assert f":{them.port}): visitors and visits that reach both are counted twice" in what
        assert us.log_text().count(WARNING) == 1
        assert us.send().status_code == 202

    # One that is restarted stays the same other server.
    other.stop(signal.SIGKILL)
    other.start()
    wait_until(lambda: other.part()["status"] == "degraded", other.log_text)
    wait_until(lambda: one.part()["count"] == 1, one.log_text)

    checked = one.command("check")
    assert "warning  another server writes to this database: " in checked.stdout
    assert checked.returncode == 0

    assert other.stop() == 0
    wait_until(lambda: one.part()["status"] == "ok", one.log_text)
    assert one.others() == 0
    assert one.findings() == []
    assert OVER in one.log_text()
    assert one.stop() == 0


def test_a_restart_is_not_another_server(two: tuple[QuickSluice, QuickSluice]) -> None:
    one, _ = two
    tables = "SELECT name FROM system.tables WHERE database = currentDatabase()"
    beats = "SELECT count() AS beats FROM sluice_servers GROUP BY process HAVING beats > 6"
    for processes, number in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGTERM), 1):
        one.start()
        assert one.rows(f"{tables} AND name = 'sluice_servers'") != []
        wait_until(lambda count=processes: len(one.query(beats)) == count, one.log_text)
        assert one.part() == {"status": "ok", "count": 0}
        one.stop(number)
    assert WARNING not in one.log_text()
    assert "ok       no other server writes to this database" in one.command("check").stdout


def test_an_outage_is_not_the_end_of_another_server(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path / "clickhouse") as clickhouse:
        pair = []
        for name in ("one", "two"):
            directory = tmp_path / name
            directory.mkdir()
            pair.append(QuickSluice(directory, clickhouse.url("stats")))
        with pair[0] as one, pair[1] as other:
            for each in (one, other):
                wait_until(lambda each=each: each.others() == 1, each.log_text)
            clickhouse.kill()
            for each in (one, other):
                each.send()
                wait_until(
                    lambda each=each: (
                        each.client.get("/ready").json()["store"]["status"] == "degraded"
                    ),
                    each.log_text,
                )
            clickhouse.start()
            for each in (one, other):
                assert each.events("1") != []
                assert each.others() == 1
                assert each.log_text().count(WARNING) == 1
                assert OVER not in each.log_text()


def test_nothing_is_made_in_a_database_of_plausible(
    clickhouse: ClickHouseServer, tmp_path: Path
) -> None:
    database = PlausibleDatabase(clickhouse, "servers_of_plausible")
    structure = database.structure()
    with QuickSluice(tmp_path, database.url) as sluice:
        sluice.send(url="https://example.com/there")
        assert len(sluice.events("pathname = '/there'")) == 1
        assert sluice.part() == {"status": "ok", "count": 0}
        assert "other server" not in sluice.command("check").stdout
        assert sluice.stop() == 0
    assert database.structure() == structure

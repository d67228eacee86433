"""Exports of other analytics, with the real store, with a running server and without one."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.plausible_database import PlausibleDatabase
from tests.end_to_end.sluice import Sluice
from tests.ingest.past.export_files import FILES, ROWS, SPAN, pack

EXPORTS = Path(__file__).parents[1] / "ingest" / "past"
SITE = ("--site", "example.com")


@pytest.fixture(scope="session", params=["chdb", "clickhouse"])
def single_process(request: pytest.FixtureRequest) -> str:
    """Run with both stores; an import does not depend on the fast path."""
    return str(request.param)


def output(sluice: Sluice, *arguments: str) -> str:
    run = sluice.command(*arguments)
    assert run.returncode == 0, run.stderr
    return run.stdout


def one(sluice: Sluice, sql: str) -> Mapping[str, object]:
    (line,) = output(sluice, "query", sql).splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def counts(sluice: Sluice) -> int:
    tables = {name.removesuffix(f"_{SPAN}.csv") for name in FILES}
    counted = " + ".join(f"(SELECT count() FROM {table})" for table in sorted(tables))
    return int(str(one(sluice, f"SELECT {counted} AS n")["n"]))


@pytest.mark.parametrize("server", [False, True])
def test_plausible(fresh: Sluice, tmp_path: Path, server: bool) -> None:
    path = pack(tmp_path / "a.zip")
    if server:
        fresh.start()
    assert output(fresh, "import", path, *SITE, "--dry-run").startswith("finished (")
    first = output(fresh, "import", path, *SITE)
    assert ["rows", "stored", f"{ROWS}"] in map(str.split, first.splitlines())
    assert counts(fresh) == ROWS
    again = output(fresh, "import", pack(tmp_path / "b.zip", folder="unpacked/"), *SITE)
    assert again.startswith("already imported: nothing is stored")
    assert counts(fresh) == ROWS
    assert one(
        fresh,
        "SELECT date, source, utm_medium, utm_campaign, pageviews FROM imported_sources "
        "WHERE source = 'Newsletter'",
    ) == {
        "date": "2025-01-02",
        "source": "Newsletter",
        "utm_medium": "email",
        "utm_campaign": "new, year",
        "pageviews": 1,
    }
    refused = fresh.command("import", path, *SITE, "--since", "2025-01-02")
    assert refused.returncode == 1
    assert "choose other days with --since and --until" in refused.stderr
    if not server:
        # The tables do no harm to a server that starts later.
        fresh.start()
        assert counts(fresh) == ROWS


def test_a_database_of_plausible(clickhouse: ClickHouseServer, tmp_path: Path) -> None:
    database = PlausibleDatabase(clickhouse, "plausible_export")
    structure = database.structure()
    run = Sluice(tmp_path, database.url).command("import", pack(tmp_path / "a.zip"), *SITE)
    assert run.returncode == 1
    assert "whose dashboard imports such a file" in run.stderr
    assert database.structure() == structure


def test_events_of_umami_and_matomo(fresh: Sluice) -> None:
    for name in ("umami_export.csv", "matomo_visits.json"):
        assert output(fresh, "import", str(EXPORTS / name)).startswith("finished (")
        assert output(fresh, "import", str(EXPORTS / name)).startswith("already imported")
    assert one(
        fresh,
        "SELECT count() AS events, uniqExact(user_id) AS visitors, "
        "countIf(name = 'Outbound Link: Click') AS links, "
        "anyIf(browser, country_code = 'US') AS umami, "
        "anyIf(operating_system_version, browser = 'Chrome' AND country_code = 'DE') AS matomo "
        "FROM events_v2",
    ) == {"events": 10, "visitors": 4, "links": 1, "umami": "Chrome", "matomo": "14"}

"""Sluice with a ClickHouse database created by Plausible's migrations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from ingest.enrichment.channel import acquisition_channel
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.lossy_proxy import LossyProxy
from tests.end_to_end.plausible_database import PlausibleDatabase
from tests.end_to_end.schema_file import NEWEST
from tests.end_to_end.sluice import Sluice, wait_until

CHANNELS: list[Any] = [
    pytest.param("", "", "Direct", id="direct"),
    pytest.param("utm_campaign=a-cross-network-b", "", "Cross-network", id="cross-network"),
    pytest.param("utm_medium=CPM", "", "Display", id="display"),
    pytest.param("utm_medium=cpc&utm_campaign=eshop", "", "Paid Shopping", id="paid shopping"),
    pytest.param("gclid=x", "https://google.com/", "Paid Search", id="click id"),
    pytest.param("utm_source=adwords", "", "Paid Search", id="paid source"),
    pytest.param("utm_source=fb-ads", "", "Paid Social", id="paid social"),
    pytest.param("utm_source=yt-ads", "", "Paid Video", id="paid video"),
    pytest.param("utm_medium=paid-something", "", "Paid Other", id="paid other"),
    pytest.param("utm_campaign=workshop", "", "Direct", id="no shop"),
    pytest.param("utm_campaign=shop", "", "Organic Shopping", id="organic shopping"),
    pytest.param("", "https://news.ycombinator.com/", "Organic Social", id="social"),
    pytest.param("utm_medium=social-media", "", "Organic Social", id="social medium"),
    pytest.param("", "https://www.youtube.com/watch", "Organic Video", id="video"),
    pytest.param("", "https://chatgpt.com/", "AI Assistants", id="assistant"),
    pytest.param("gclid=x", "https://duckduckgo.com/", "Organic Search", id="search"),
    pytest.param("", "https://mail.google.com/", "Email", id="mail"),
    pytest.param("utm_medium=E-Mail", "", "Email", id="mail medium"),
    pytest.param("utm_medium=affiliate", "", "Affiliates", id="affiliate"),
    pytest.param("utm_medium=audio", "", "Audio", id="audio"),
    pytest.param("utm_source=sms", "", "SMS", id="sms"),
    pytest.param("utm_medium=web-push", "", "Mobile Push Notifications", id="push"),
    pytest.param("", "https://markosaric.com/", "Referral", id="referral"),
    pytest.param("utm_medium=link", "", "Referral", id="referral medium"),
]
VERSIONS = {"newest": NEWEST, "2025-01": "2025-01", "2024-09": "2024-09"}


@pytest.fixture(scope="module")
def geo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    writer = MMDBWriter(6, "Test-City", ipv4_compatible=True, int_type="i32")
    record = {
        "city": {"geoname_id": 2655045},
        "country": {"iso_code": "GB"},
        "subdivisions": [{"iso_code": "ENG"}, {"iso_code": "WBK"}],
    }
    writer.insert_network(IPSet(["2.125.160.216/29"]), record)
    path = tmp_path_factory.mktemp("geo") / "geo.mmdb"
    writer.to_db_file(str(path))
    return path


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def database(version: str, clickhouse: ClickHouseServer) -> PlausibleDatabase:
    name = f"plausible_{version.replace('-', '_')}"
    return PlausibleDatabase(clickhouse, name, month=VERSIONS[version])


@pytest.fixture(scope="module")
def structure(database: PlausibleDatabase) -> dict[str, str]:
    """Plausible's tables before Sluice was started."""
    return database.structure()


@pytest.fixture(scope="module")
def collector(
    database: PlausibleDatabase,
    structure: dict[str, str],
    geo: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sluice]:
    directory = tmp_path_factory.mktemp(database.name)
    with Sluice(directory, database.url, SLUICE_GEOIP_DATABASE=str(geo)) as server:
        yield server


def test_it_is_recognised(collector: Sluice, version: str) -> None:
    recognised = "made by Plausible: nothing is created or altered here"
    assert recognised in collector.log_text()
    checked = collector.command("check")
    assert checked.returncode == 0, checked.stderr
    assert f"ok       {recognised}\n" in checked.stdout
    left_out = {
        "newest": "acquisition_channel",
        "2025-01": "acquisition_channel, engagement_time",
        "2024-09": "acquisition_channel, click_id_param, engagement_time, scroll_depth",
    }[version]
    assert f"ok       events_v2: inserted without {left_out}\n" in checked.stdout


def test_events_and_visits(collector: Sluice, database: PlausibleDatabase) -> None:
    """Check one session of three events with Plausible's own queries."""
    visitor = {"x-forwarded-for": "2.125.160.217"}
    page = "https://example.com/in?utm_source=newsletter"
    collector.send(url=page, headers=visitor, p={"plan": "pro"})
    collector.send(url="https://example.com/out", headers=visitor)
    collector.send(
        "engagement", url="https://example.com/out", headers=visitor, sd=60, e=4000, v=36
    )
    where = "site_id = 1 AND country_code = 'GB'"
    wait_until(lambda: database.rows(f"SELECT * FROM events_v2 WHERE {where}")[2:], 60)
    (event,) = database.rows(
        "SELECT name, pathname, source, country, region, city, country_name, region_name, "
        "city_name, device, screen, os, os_version, browser, "
        "`meta.key`[indexOf(`meta.value`, 'pro')] AS key "
        f"FROM events_v2 WHERE {where} AND pathname = '/in'"
    )
    assert event == {
        "name": "pageview",
        "pathname": "/in",
        "source": "newsletter",
        "country": "GB",
        "region": "GB-ENG",
        "city": 2655045,
        "country_name": "United Kingdom",
        "region_name": "England",
        "city_name": "Boxford",
        "device": "Desktop",
        "screen": "Desktop",
        "os": "Mac",
        "os_version": "10.15",
        "browser": "Chrome",
        "key": "plan",
    }
    visits = (
        "SELECT toInt64(sum(sign)) AS visits, uniq(user_id) AS visitors, "
        "toInt64(sum(sign * pageviews)) AS seen, toInt64(sum(sign * events)) AS done, "
        "round(100 * sum(is_bounce * sign) / sum(sign)) AS bounce_rate, "
        "any(entry_page) AS entry, argMax(exit_page, events) AS exit, any(city_name) AS city, "
        "any(entry_page_hostname) AS host "
        f"FROM sessions_v2 WHERE {where}"
    )
    expected = {
        "visits": 1,
        "visitors": 1,
        "seen": 2,
        "done": 2,
        "bounce_rate": 0,
        "entry": "/in",
        "exit": "/out",
        "city": "Boxford",
        "host": "example.com",
    }
    wait_until(lambda: database.rows(visits) == [expected], 60, lambda: str(database.rows(visits)))


@pytest.mark.parametrize("version", ["newest"], indirect=True)
@pytest.mark.parametrize(("query", "referrer", "channel"), CHANNELS)
def test_channels_agree(
    collector: Sluice,
    database: PlausibleDatabase,
    query: str,
    referrer: str,
    channel: str,
) -> None:
    # Each case has a separate page and visitor.
    path = f"/channel/{query}/{referrer}".translate(dict.fromkeys(map(ord, ":/?&="), "-"))
    collector.send(
        url=f"https://example.com/{path}?{query}",
        headers={"x-forwarded-for": path},
        r=referrer or None,
    )
    columns = "referrer_source, utm_medium, utm_campaign, utm_source, click_id_param"
    sql = f"SELECT {columns}, acquisition_channel AS channel FROM events_v2"
    where = f"WHERE pathname = '/{path}'"
    wait_until(lambda: database.rows(f"{sql} {where}"), 60)
    (row,) = database.rows(f"{sql} {where}")
    assert row.pop("channel") == acquisition_channel(**row) == channel


def test_nothing_is_altered(
    collector: Sluice, database: PlausibleDatabase, structure: dict[str, str]
) -> None:
    assert database.structure() == structure
    collector.stop()
    collector.start()
    collector.send(url="https://example.com/after")
    wait_until(lambda: database.rows("SELECT 1 FROM events_v2 WHERE pathname = '/after'"), 60)
    assert database.structure() == structure
    if "batch" in structure["events_v2"]:
        assert database.rows("SELECT DISTINCT batch FROM events_v2") == [{"batch": 0}]


def test_counters(collector: Sluice, database: PlausibleDatabase) -> None:
    collector.stop()  # the last counters are sent
    metrics = database.rows(
        "SELECT metric, sum(value) > 0 AS some FROM ingest_counters "
        "WHERE domain = 'example.com' GROUP BY metric"
    )
    assert {"metric": "buffered", "some": 1} in metrics
    collector.start()


def test_a_lost_acknowledgement_doubles_nothing(
    database: PlausibleDatabase, structure: dict[str, str], tmp_path: Path
) -> None:
    """These tables do not support tokens, so Sluice looks for the rows before it retries."""
    with LossyProxy(database.server.tcp_port) as proxy:
        url = f"clickhouse://default@127.0.0.1:{proxy.port}/{database.name}"
        with Sluice(tmp_path, url) as server:
            for table, page in (("events_v2", "/lost"), ("sessions_v2", "/lost-visit")):
                visits = f"SELECT sum(sign) AS n FROM sessions_v2 WHERE entry_page = '{page}'"
                events = f"SELECT count() AS n FROM events_v2 WHERE pathname = '{page}'"
                proxy.lose_next(f"`{table}`")
                server.send(url=f"https://example.com{page}", headers={"x-forwarded-for": page})
                assert proxy.lost.wait(60), server.log_text()
                proxy.cut()
                # Later events are stored after the retried ones.
                server.send(url=f"https://example.com{page}-next")
                following = f"SELECT count() AS n FROM events_v2 WHERE pathname = '{page}-next'"
                wait_until(
                    lambda sql=following: database.rows(sql)[0]["n"] == 1, 30, server.log_text
                )
                assert int(database.rows(events)[0]["n"]) == 1
                assert int(database.rows(visits)[0]["n"]) == 1
            assert "store unavailable, will try again" in server.log_text()
            assert "store is back" in server.log_text()
    sent = b"".join(proxy.sent)
    assert b"INSERT INTO" in sent
    for verb in (b"ALTER", b"CREATE", b"DROP", b"DELETE", b"OPTIMIZE", b"SYSTEM "):
        assert verb not in sent
    assert database.structure() == structure

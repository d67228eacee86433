"""Sluice with a ClickHouse database created by Plausible's migrations."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from ingest.enrichment.source_tables import source_tables
from ingest.rows.names_age import NamesAge
from tests.cluster.brokers import Brokers
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.cluster import Cluster
from tests.end_to_end.lossy_proxy import LossyProxy
from tests.end_to_end.plausible_database import PlausibleDatabase
from tests.end_to_end.schema_file import NEWEST
from tests.end_to_end.sluice import Sluice
from tests.waiting import WAIT_SECONDS, wait_until

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
    pytest.param("", "https://t.co/", "Organic Social", id="network"),
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
VERSIONS = {"newest": NEWEST, "3.2.0": "2026-01", "2025-01": "2025-01", "2024-09": "2024-09"}
OLDER = ("3.2.0", "2025-01", "2024-09")
"""Versions without the migrations that rename sources."""

RENAMED: list[Any] = [
    # Referrer; name and channel of the newest version; of the version before.
    ("https://x.com/a", "X (Twitter)", "Organic Social", "x.com", "Referral"),
    ("https://t.co/a", "X (Twitter)", "Organic Social", "Twitter", "Organic Social"),
    ("https://bsky.app/", "Bluesky", "Organic Social", "bsky.app", "Referral"),
    ("https://mastodon.social/", "Mastodon", "Organic Social", "mastodon.social", "Referral"),
    ("https://chatgpt.com/", "ChatGPT", "AI Assistants", "chatgpt.com", "Organic Search"),
    ("https://claude.ai/", "Claude", "AI Assistants", "claude.ai", "Referral"),
    ("https://www.perplexity.ai/", "Perplexity", "AI Assistants", "Perplexity", "Organic Search"),
    ("https://gemini.google.com/", "Google Gemini", "AI Assistants", "Google", "Organic Search"),
    ("https://kagi.com/", "Kagi", "Organic Search", "kagi.com", "Referral"),
    ("https://discord.com/", "Discord", "Organic Social", "Discord", "Organic Social"),
]
NEWEST_NAMES, OLDER_NAMES = source_tables().names, source_tables(older=True).names
SOURCES = sorted(
    key for key, name in NEWEST_NAMES.items() if name.lower() != key or OLDER_NAMES.get(key) != name
)
"""Every alias, and every name that only the newest version has."""


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
def database(version: str, clickhouse: ClickHouseServer) -> Iterator[PlausibleDatabase]:
    name = f"plausible_{version.replace('-', '_').replace('.', '_')}"
    database = PlausibleDatabase(clickhouse, name, month=VERSIONS[version])
    yield database
    database.check_channels()


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
        "3.2.0": "acquisition_channel",
        "2025-01": "acquisition_channel, engagement_time",
        "2024-09": "acquisition_channel, click_id_param, engagement_time, scroll_depth",
    }[version]
    assert f"ok       events_v2: inserted without {left_out}\n" in checked.stdout
    age = NamesAge.OLDER if version in OLDER else NamesAge.NEWEST
    assert f"ok       source names: {age}\n" in checked.stdout


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
    wait_until(lambda: database.rows(f"SELECT * FROM events_v2 WHERE {where}")[2:])
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
    wait_until(lambda: database.rows(visits) == [expected], lambda: str(database.rows(visits)))


def send_page(collector: Sluice, path: str, query: str, referrer: str) -> str:
    """Send the page view of a separate visitor, and return its path."""
    path = f"/{path}/{query}/{referrer}".translate(dict.fromkeys(map(ord, ":?&= "), "-"))
    collector.send(
        url=f"https://example.com{path}?{query}",
        headers={"x-forwarded-for": path},
        r=referrer or None,
    )
    return path


def validated(collector: Sluice, referrer: str) -> tuple[str, str]:
    """The source and the channel that a trace of the event shows."""
    answer = collector.client.post(
        "/api/event/validate",
        json={"n": "pageview", "u": "https://example.com/x", "d": "example.com", "r": referrer},
        headers={"authorization": f"Bearer {collector.token}", "x-forwarded-for": "198.51.100.9"},
    )
    (row,) = answer.json()["domains"][0]["rows"]["events_v2"]
    return row["referrer_source"], row["acquisition_channel"]


def sources_of(database: PlausibleDatabase, paths: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The stored source and channel of each path, once all are stored."""
    paths = set(paths)
    sql = "SELECT pathname, referrer_source AS source, acquisition_channel AS channel FROM {}"
    events, visits = sql.format("events_v2"), sql.format("sessions_v2 WHERE sign = 1")
    visits = visits.replace("pathname", "entry_page AS pathname")
    found: dict[str, dict[str, tuple[str, str]]] = {}

    def read() -> bool:
        for table in (events, visits):
            rows = database.rows(table)
            found[table] = {row["pathname"]: (row["source"], row["channel"]) for row in rows}
        return all(paths <= names.keys() for names in found.values())

    wait_until(read, lambda: str(found))
    stored = {path: found[events][path] for path in paths}
    assert stored == {path: found[visits][path] for path in paths}
    return stored


@pytest.mark.parametrize("version", ["newest", "3.2.0"], indirect=True)
def test_channels_agree(collector: Sluice, database: PlausibleDatabase) -> None:
    cases = [case.values for case in CHANNELS]
    paths = [send_page(collector, "channel", query, referrer) for query, referrer, _ in cases]
    stored = sources_of(database, paths)
    channels = {path: channel for path, (_, channel) in stored.items()}
    assert channels == {path: case[2] for path, case in zip(paths, cases, strict=True)}
    database.check_channels()


@pytest.mark.parametrize("version", ["newest", "3.2.0"], indirect=True)
def test_sources_have_the_names_of_the_database(
    collector: Sluice, database: PlausibleDatabase, version: str
) -> None:
    paths = [send_page(collector, "renamed", "", case[0]) for case in RENAMED]
    stored = sources_of(database, paths)
    expected = [case[3:5] if version in OLDER else case[1:3] for case in RENAMED]
    assert [stored[path] for path in paths] == expected
    shown = [validated(collector, case[0]) for case in RENAMED]
    assert shown == expected


@pytest.mark.parametrize("version", ["newest", "3.2.0"], indirect=True)
def test_every_alias(collector: Sluice, database: PlausibleDatabase, version: str) -> None:
    assert len(SOURCES) > 90
    names = OLDER_NAMES if version in OLDER else NEWEST_NAMES
    sent = {send_page(collector, "tag", f"utm_source={tag}", ""): tag for tag in SOURCES}
    stored = sources_of(database, sent)
    assert {path: source for path, (source, _) in stored.items()} == {
        path: names.get(tag, tag) for path, tag in sent.items()
    }
    hosts = [host for host in SOURCES if "." in host and ":" not in host]
    sources_of(database, [send_page(collector, "host", "", f"https://{host}/") for host in hosts])
    database.check_channels()


def test_nothing_is_altered(
    collector: Sluice, database: PlausibleDatabase, structure: dict[str, str]
) -> None:
    assert database.structure() == structure
    collector.stop()
    collector.start()
    collector.send(url="https://example.com/after")
    wait_until(lambda: database.rows("SELECT 1 FROM events_v2 WHERE pathname = '/after'"))
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
                assert proxy.lost.wait(WAIT_SECONDS), server.log_text()
                proxy.cut()
                # Later events, and then their visits, are stored after the retried ones.
                server.send(url=f"https://example.com{page}-next")
                where = f"exit_page = '{page}-next'"
                following = f"SELECT sum(sign) AS n FROM sessions_v2 WHERE {where}"
                wait_until(lambda sql=following: database.rows(sql)[0]["n"] == 1, server.log_text)
                assert int(database.rows(events)[0]["n"]) == 1
                assert int(database.rows(visits)[0]["n"]) == 1
            assert "store unavailable, will try again" in server.log_text()
            assert "store is back" in server.log_text()
    sent = b"".join(proxy.sent)
    assert b"INSERT INTO" in sent
    for verb in (b"ALTER", b"CREATE", b"DROP", b"DELETE", b"OPTIMIZE", b"SYSTEM "):
        assert verb not in sent
    assert database.structure() == structure


@pytest.mark.parametrize("role", ["all", "cluster"])
def test_a_migration_while_sluice_runs(
    role: str, clickhouse: ClickHouseServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The visit goes on: the row that cancels its state has the name that the state has by then."""
    database = PlausibleDatabase(clickhouse, f"plausible_migrated_{role}", month="2026-05")
    if role == "cluster":
        brokers: Brokers = request.getfixturevalue("brokers")
        running: Sluice = Cluster(tmp_path, database.url, brokers, "migrated.", fronts=1, workers=1)
    else:
        running = Sluice(tmp_path, database.url)
    sums = (
        "SELECT referrer_source AS source, acquisition_channel AS channel, "
        "toInt64(sum(sign)) AS visits, toInt64(sum(sign * pageviews)) AS views "
        "FROM sessions_v2 GROUP BY source, channel HAVING visits != 0 OR views != 0"
    )
    with running as collector:
        collector.send(url="https://example.com/before", r="https://bsky.app/")
        expected = {"source": "bsky.app", "channel": "Referral", "visits": 1, "views": 1}
        wait_until(lambda: database.rows(sums) == [expected], collector.log_text)
        database.check_channels()
        database.rename_sources()
        collector.send(url="https://example.com/after")
        expected = {"source": "Bluesky", "channel": "Organic Social", "visits": 1, "views": 2}
        wait_until(lambda: database.rows(sums) == [expected], lambda: str(database.rows(sums)))
        assert "the source names of the database have changed" in collector.log_text()
        assert f"ok       source names: {NamesAge.NEWEST}\n" in collector.command("check").stdout
    database.check_channels()


def test_migrations_that_may_not_be_read(clickhouse: ClickHouseServer, tmp_path: Path) -> None:
    database = PlausibleDatabase(clickhouse, "plausible_unmarked")
    database.run("DROP TABLE schema_migrations SYNC")
    collector = Sluice(tmp_path, database.url)
    checked = collector.command("check")
    assert checked.returncode == 0
    assert f"warning  source names: {NamesAge.UNKNOWN}\n" in checked.stdout

"""Checks everything that the server needs, before it starts or while it runs."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ingest.check.cluster import check_cluster
from ingest.check.configuration import check_access, check_proxies, check_settings, masked_value
from ingest.check.geo_database import check_geo
from ingest.check.machine import check_clock, check_files, check_port
from ingest.check.plausible import check_plausible
from ingest.check.report import CheckResult, Report, Section, ok, problem, section
from ingest.check.sites import check_keys, check_sites
from ingest.check.state import check_state, server_pid
from ingest.check.store import check_store
from ingest.enrichment.geo import GeoDatabase, GeoDatabaseError, NoGeoDatabase
from ingest.server.open_files import raise_file_limit
from ingest.server.start_files import open_geo_database
from ingest.server.state_files import StateFiles
from ingest.settings import DOTENV, Settings
from ingest.sites.site import SiteRegistry
from ingest.sites.site_file import SitesFileError, parse_sites, read_sites_text


def check(settings: Settings, file: Path = DOTENV, unknown: Iterable[str] = ()) -> Report:
    """Check each part. The state directory and the store's tables are created or migrated.

    Args:
        settings: What to check.
        file: Where settings are from, besides the environment.
        unknown: A warning for each variable that is no setting.
    """
    now = time.time()
    raise_file_limit()
    geo, geo_results = _geo(settings, now)
    try:
        server = server_pid(StateFiles(settings.state_dir))
        return Report(
            (
                section("settings", check_settings(settings, unknown, file=file)),
                section(f"sites: {masked_value(settings.sites)}", _sites(settings, geo, now)),
                section("proxies", (*check_proxies(settings), *check_access(settings))),
                section("geo database", geo_results),
                section(f"state directory: {settings.state_dir}", check_state(settings, now)),
                section("store", check_store(settings, now)),
                *_cluster(settings),
                section(
                    "machine",
                    (
                        *check_port(settings.host, settings.port, server),
                        *check_files(),
                        *check_clock(now),
                    ),
                ),
            )
        )
    finally:
        geo.close()


def _cluster(settings: Settings) -> Iterator[Section]:
    if settings.kafka_url is not None or settings.kafka_brokers is not None:
        yield section("cluster", check_cluster(settings))


def _geo(
    settings: Settings, now: float
) -> tuple[GeoDatabase | NoGeoDatabase, tuple[CheckResult, ...]]:
    try:
        geo = open_geo_database(settings.geoip_database)
    except GeoDatabaseError as error:
        return NoGeoDatabase(), (
            problem(str(error), "replace the file, or unset SLUICE_GEOIP_DATABASE"),
        )
    return geo, tuple(check_geo(geo, now))


def _sites(
    settings: Settings, geo: GeoDatabase | NoGeoDatabase, now: float
) -> Iterator[CheckResult]:
    path = settings.sites if isinstance(settings.sites, Path) else settings.local_sites
    text, registry = "", SiteRegistry()
    try:
        if path is not None:
            text = read_sites_text(path)
            registry = parse_sites(text, str(path))
    except SitesFileError as error:
        yield problem(str(error), "correct the file")
        return
    if not isinstance(settings.sites, Path):
        followed = yield from check_plausible(
            settings.sites, registry, StateFiles(settings.state_dir), now
        )
        if followed is None:
            return
        registry = followed
    yield ok(f"{len(registry)} site(s)")
    yield from check_keys(text, str(path))
    yield from check_sites(
        registry,
        today=datetime.fromtimestamp(now, UTC).date(),
        places=isinstance(geo, GeoDatabase),
        unknown_accepted=settings.unknown_sites == "accept",
    )

"""Reads files when the server starts, and again when they change."""

from pathlib import Path
from typing import Any

import structlog

from actors.keepers.file_watcher import FileWatcher, stamp
from ingest.enrichment.geo import GeoDatabase, GeoDatabaseError, NoGeoDatabase
from ingest.pipeline.reference import Reference
from ingest.sessions.salts import Salts
from ingest.settings import Settings
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site_file import SitesFileError, read_sites

log = structlog.get_logger()


class StartError(Exception):
    """The server cannot start; the message is for the operator, in one line or a few."""


def load_reference(settings: Settings, salts: Salts) -> Reference:
    """Read the pipeline's reference files: sites and geo database.

    Args:
        settings: Say where they are.
        salts: In force at first.

    Raises:
        StartError: A file cannot be used.
    """
    try:
        registry = read_sites(settings.sites)
        geo = open_geo_database(settings.geoip_database)
    except (SitesFileError, GeoDatabaseError) as error:
        raise StartError(str(error)) from None
    if settings.geoip_database is None:
        log.info("no geo database, places stay empty")
    return Reference(
        registry,
        geo,
        salts,
        RateLimiter(),
        accept_unknown_sites=settings.unknown_sites == "accept",
    )


def open_geo_database(path: Path | None) -> GeoDatabase | NoGeoDatabase:
    """Open the configured geo database.

    Raises:
        GeoDatabaseError: The file cannot be used.
    """
    return NoGeoDatabase() if path is None else GeoDatabase(path)


def reloads(
    settings: Settings, reference: Reference
) -> tuple[FileWatcher[Any], FileWatcher[Any] | None]:
    """Return the actors that reload the sites and the geo database; None without a database."""

    def take_registry(registry: Any) -> None:
        reference.registry = registry

    def take_geo(geo: Any) -> None:
        old, reference.geo = reference.geo, geo
        old.close()

    sites = FileWatcher(
        "sites_file",
        settings.sites,
        read_sites,
        take_registry,
        mistakes=(SitesFileError,),
        known=stamp(settings.sites),
    )
    if settings.geoip_database is None:
        return sites, None
    geo = FileWatcher(
        "geo_database",
        settings.geoip_database,
        GeoDatabase,
        take_geo,
        mistakes=(GeoDatabaseError,),
        known=stamp(settings.geoip_database),
    )
    return sites, geo

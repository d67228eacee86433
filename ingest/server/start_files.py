"""Reads files and Plausible's database when the server starts, and again when they change."""

from pathlib import Path
from typing import Any

import structlog

from actors.clock.wall_clock import Clock
from actors.keepers.file_watcher import FileWatcher, stamp
from actors.keepers.plausible_registry import (
    PlausibleRegistry,
    read_local_sites,
    saved_plausible,
)
from ingest.enrichment.geo import GeoDatabase, GeoDatabaseError, NoGeoDatabase
from ingest.pipeline.reference import Reference
from ingest.plausible.followed_sites import FollowedSites, followed_sites
from ingest.plausible.postgres import PlausibleError, PlausibleReader, read_plausible
from ingest.server.state_files import StateFiles
from ingest.sessions.salts import Salts
from ingest.settings import Settings
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import SiteRegistry
from ingest.sites.site_file import SitesFileError, read_sites

log = structlog.get_logger()


class StartError(Exception):
    """The server cannot start; the message is for the operator, in one line or a few."""


async def open_plausible(
    settings: Settings, files: StateFiles, clock: Clock
) -> PlausibleRegistry | None:
    """Read Plausible's database, if the sites come from there; None if they come from a file.

    Raises:
        StartError: It cannot be read, and was not read by an earlier process either; or the URL or
            the local sites file cannot be used.
    """
    if isinstance(settings.sites, Path):
        return None
    try:
        reader = PlausibleReader(settings.sites)
        plausible = PlausibleRegistry(reader, files.plausible, settings.local_sites, clock)
        await plausible.load()
    except PlausibleError as error:
        raise StartError(error.explanation) from None
    except SitesFileError as error:
        raise StartError(str(error)) from None
    return plausible


def read_plausible_sites(
    settings: Settings, files: StateFiles
) -> tuple[FollowedSites, PlausibleError | None]:
    """Read Plausible's sites once, or what a server has saved if the database cannot be read.

    Returns:
        The sites, and why the database cannot be read.

    Raises:
        PlausibleError: It cannot be read, and nothing was saved.
        SitesFileError: The local sites file cannot be used.
    """
    local = read_local_sites(settings.local_sites)
    problem = None
    try:
        data = read_plausible(str(settings.sites))
    except PlausibleError as error:
        data, problem = saved_plausible(files.plausible, error), error
    return followed_sites(data, local), problem


def read_registry(settings: Settings, files: StateFiles) -> SiteRegistry:
    """Read the sites once: of the sites file, or of Plausible.

    Raises:
        PlausibleError: They are Plausible's, cannot be read, and were not saved.
        SitesFileError: A sites file cannot be used.
    """
    if isinstance(settings.sites, Path):
        return read_sites(settings.sites)
    return read_plausible_sites(settings, files)[0].registry


def load_reference(
    settings: Settings, salts: Salts, plausible: PlausibleRegistry | None = None
) -> Reference:
    """Read the pipeline's reference files: sites and geo database.

    Args:
        settings: Say where they are.
        salts: In force at first.
        plausible: Has the sites, if they do not come from a file.

    Raises:
        StartError: A file cannot be used.
    """
    try:
        registry = _sites_of_file(settings) if plausible is None else plausible.sites
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


def _sites_of_file(settings: Settings) -> SiteRegistry:
    assert isinstance(settings.sites, Path)  # noqa: S101 - otherwise Plausible's are opened
    return read_sites(settings.sites)


def open_geo_database(path: Path | None) -> GeoDatabase | NoGeoDatabase:
    """Open the configured geo database.

    Raises:
        GeoDatabaseError: The file cannot be used.
    """
    return NoGeoDatabase() if path is None else GeoDatabase(path)


def reloads(
    settings: Settings, reference: Reference, plausible: PlausibleRegistry | None = None
) -> tuple[FileWatcher[Any] | PlausibleRegistry, FileWatcher[Any] | None]:
    """Return the actors that reload the sites and the geo database; None without a database."""

    def take_registry(registry: Any) -> None:
        reference.registry = registry

    def take_geo(geo: Any) -> None:
        old, reference.geo = reference.geo, geo
        old.close()

    sites: FileWatcher[Any] | PlausibleRegistry
    if plausible is not None:
        plausible.attach(take_registry)
        sites = plausible
    else:
        assert isinstance(settings.sites, Path)  # noqa: S101 - as above
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

"""Looks at everything the server needs before it starts."""

from collections.abc import Callable
from datetime import UTC, datetime

import trio

from actors.stores.open import open_store
from actors.stores.store import StoreBusy, StoreError
from ingest.enrichment.geo import GeoDatabase, GeoDatabaseError
from ingest.serve import open_geo_database
from ingest.settings import Settings
from ingest.sites.site_file import SitesFileError, read_sites

STORE_SECONDS = 30.0


def check(settings: Settings, tell: Callable[[str], None]) -> bool:
    """Try each part and say what was found.

    Args:
        settings: What to check.
        tell: Takes a line for each finding.

    Returns:
        Whether the server could start.
    """
    checks = (
        ("sites", _check_sites),
        ("geo database", _check_geo),
        ("store", _check_store),
    )
    good = True
    for name, look in checks:
        try:
            findings = look(settings)
        except (SitesFileError, GeoDatabaseError, StoreError) as error:
            good = False
            findings = [f"FAILED: {error}"]
        for finding in findings:
            tell(f"{name}: {finding}")
    tell("the server can start" if good else "the server cannot start")
    return good


def _check_sites(settings: Settings) -> list[str]:
    registry = read_sites(settings.sites)
    return [f"{settings.sites} has {len(registry)} site(s)"] + [
        f"{site.id} {site.domain}" for site in registry
    ]


def _check_geo(settings: Settings) -> list[str]:
    geo = open_geo_database(settings.geoip_database)
    if not isinstance(geo, GeoDatabase):
        return ["none (SLUICE_GEOIP_DATABASE is unset): places stay empty"]
    built = datetime.fromtimestamp(geo.built_at, UTC).date()
    geo.close()
    return [f"{geo.path}: {geo.type}, built {built}"]


def _check_store(settings: Settings) -> list[str]:
    try:
        return list(trio.run(_open_store, settings.clickhouse_url))
    except StoreBusy:
        return ["the embedded store is in use by a running server"]


async def _open_store(url: str) -> tuple[str, ...]:
    store = open_store(url)
    try:
        with trio.fail_after(STORE_SECONDS):
            await store.open()
        return store.findings
    finally:
        await store.aclose()

"""The geo database: its kind, its age, and whether it finds anything."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from ingest.check.report import CheckResult, ok, warning
from ingest.enrichment.geo import GeoDatabase, NoGeoDatabase
from ingest.model.event import NOWHERE, Place

OLD_DAYS: Final = 60
"""Age in days that causes a warning: MaxMind publishes twice a week, others monthly."""

SAMPLES: Final = ("8.8.8.8", "1.1.1.1", "193.0.6.139", "2001:4860:4860::8888")
"""Well-known addresses: two public resolvers, RIPE's web server, and a resolver's IPv6."""


def check_geo(geo: GeoDatabase | NoGeoDatabase, now: float) -> Iterator[CheckResult]:
    """Describe the database.

    Args:
        geo: The database, open.
        now: Unix seconds.
    """
    if not isinstance(geo, GeoDatabase):
        yield ok("none (SLUICE_GEOIP_DATABASE is unset): places stay empty")
        return
    built = datetime.fromtimestamp(geo.built_at, UTC).date()
    days = int(now - geo.built_at) // 86_400
    text = f"{geo.path}: {geo.type}, built {built}"
    if days > OLD_DAYS:
        yield warning(f"{text}, {days} days ago", "replace the file; it is reloaded by itself")
    else:
        yield ok(text)
    for address in SAMPLES:
        place = geo.lookup(address)
        if place != NOWHERE:
            yield ok(f"{address} is in {_described(place)}")
            return
    yield warning(
        "it knows none of some well-known addresses",
        "see that it covers the world, and not one network or country",
    )


def _described(place: Place) -> str:
    parts = [place.country_code, place.subdivision1_code, place.subdivision2_code]
    if place.city_geoname_id:
        parts.append(f"city {place.city_geoname_id}")
    return ", ".join(filter(None, parts))

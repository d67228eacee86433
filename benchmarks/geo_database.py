"""A geo database in the layout of GeoLite2-City, with a million networks."""

import random
from pathlib import Path
from typing import Any, Final

from mmdb_writer import MMDBWriter
from netaddr import IPAddress, IPSet

from benchmarks.servers import ROOT

NETWORKS: Final = 1_000_000
PLACES: Final = 50_000
CACHE: Final = ROOT / ".cache" / "benchmarks"

_SIZE_BITS: Final = 12
"""A million networks of 4,096 addresses fill most of the address space."""

_COUNTRIES: Final = ("US", "DE", "FR", "GB", "BR", "IN", "JP", "PL", "ES", "IT", "NL", "SE")


def geo_database(networks: int = NETWORKS) -> Path:
    """Return the database; made at the first call, which takes minutes, and kept in `.cache`.

    Args:
        networks: How many, one after the other.
    """
    path = CACHE / f"places-{networks}.mmdb"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        _write(part, networks)
        part.rename(path)
    return path


def _write(path: Path, networks: int) -> None:
    chance = random.Random(7)  # noqa: S311 - the same places each time
    places = [_place(chance, number) for number in range(PLACES)]
    writer = MMDBWriter(
        4, "GeoLite2-City", languages=["en"], description="Made up", int_type="uint32"
    )
    for number in range(networks):
        network = f"{IPAddress(number << _SIZE_BITS, 4)}/{32 - _SIZE_BITS}"
        writer.insert_network(IPSet([network]), chance.choice(places))
    writer.to_db_file(str(path))


def _place(chance: random.Random, number: int) -> dict[str, Any]:
    country = chance.choice(_COUNTRIES)
    return {
        "city": {"geoname_id": 2_000_000 + number, "names": {"en": f"City {number}"}},
        "continent": {"code": "EU", "geoname_id": 6_255_148, "names": {"en": "Europe"}},
        "country": {
            "geoname_id": 3_000_000 + _COUNTRIES.index(country),
            "iso_code": country,
            "names": {"en": country},
        },
        "location": {
            "accuracy_radius": 20,
            "latitude": round(chance.uniform(-60, 60), 4),
            "longitude": round(chance.uniform(-180, 180), 4),
            "time_zone": "Europe/Berlin",
        },
        "postal": {"code": str(10_000 + number)},
        "registered_country": {"geoname_id": 3_000_000, "iso_code": country},
        "subdivisions": [
            {"geoname_id": 4_000_000 + number % 500, "iso_code": f"{number % 50:02}",
             "names": {"en": f"Region {number % 500}"}},
        ],
    }  # fmt: skip

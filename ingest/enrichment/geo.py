"""Looks up the location of an address in a MaxMind-format database (spec/enrichment.md §3)."""

import csv
import ipaddress
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import resources
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from types import MappingProxyType
from typing import Final

import maxminddb

from ingest.enrichment.geo_tree import GeoTree
from ingest.model.event import NOWHERE, Place

ANONYMOUS_VPN: Final = Place(country_code="A1")
"""The place of an address that a proxy has marked as a VPN's; it is not looked up."""

UNKNOWN_COUNTRIES: Final = frozenset({"ZZ", "XX", "T1"})
"""Codes in records for an unknown country (spec/enrichment.md §3)."""

CACHE_SIZE: Final = 10_000
"""Number of cached addresses per database."""

PLACES: Final = 32_768
"""Number of cached records per database: some 8 MB."""

_MAX_ADDRESS_LENGTH: Final = 64  # characters; with a zone, an IPv6 address has some 50
_SAMPLE: Final = 1000  # records read to find out the kind of database
_MAX_GEONAME_ID: Final = 2**32 - 1  # the column is a UInt32
_MAPPED: Final = bytes(10) + b"\xff\xff"  # before IPv4 in a form of IPv6


class GeoDatabaseError(Exception):
    """A geo database cannot be used. The message has one line, with the file's name."""


class NoGeoDatabase:
    """Replaces a database when there is none: every address has an unknown place."""

    path: Path | None = None
    type: str = ""
    built_at: int = 0

    def lookup(self, address: str) -> Place:
        """Return `NOWHERE`."""
        return NOWHERE

    def close(self) -> None:
        """Do nothing."""


class GeoDatabase:
    """A City or Country database, in MaxMind's layout or a flat one (`country_code`).

    The file is copied, and the copy is memory-mapped. So the file may be replaced in any way, even
    truncated and overwritten, which would crash a process that maps the file itself. The copy has
    no name and is deleted with the object. Reading the file into memory would be as safe, but
    MaxMind's native reader, which is ten times as fast as the Python one, can only map files.

    To decode a record takes far longer than to find it, and many networks share a record. So the
    places of records are cached, too.

    Attributes:
        path: The file.
        type: The type in its metadata, such as `GeoLite2-City`.
        built_at: Build time, Unix seconds.
    """

    def __init__(self, path: Path) -> None:
        """Read a database. Takes some 50 ms per 100 MB.

        Raises:
            GeoDatabaseError: The file is missing, unreadable or damaged, is being changed, or is
                not a database of places.
        """
        self.path = path
        self._reader, self._copy = _open(path)
        metadata = self._reader.metadata()
        self.type = metadata.database_type
        self.built_at = metadata.build_epoch
        self._tree = GeoTree(
            self._copy, metadata.node_count, metadata.record_size, metadata.ip_version
        )
        self._places: dict[int, Place] = {}
        self._remembered: deque[int] = deque()
        try:
            holds_places = any(_country(record) for _, record in islice(self._reader, _SAMPLE))
        except (maxminddb.InvalidDatabaseError, ValueError) as error:
            self._release()
            raise GeoDatabaseError(f"{path}: damaged database: {error}") from None
        if not holds_places:
            self._release()
            raise GeoDatabaseError(f"{path}: holds no countries, its type is {self.type!r}")
        self._cached: Callable[[str], Place] = lru_cache(CACHE_SIZE)(self._find)

    def lookup(self, address: str) -> Place:
        """Return an address's place, or an unknown place for other text. Never raises.

        Args:
            address: IPv4 or IPv6, as text.
        """
        return self._cached(address) if len(address) <= _MAX_ADDRESS_LENGTH else NOWHERE

    def close(self) -> None:
        """Release the copy. Afterwards, every place is unknown."""
        self._cached = lambda _: NOWHERE
        self._release()

    def _release(self) -> None:
        self._reader.close()
        self._copy.close()

    def _find(self, address: str) -> Place:
        try:
            packed = _packed(address)
            record = self._tree.find(packed)
            if not record:
                return NOWHERE
            place = self._places.get(record)
            if place is None:
                place = _place(self._reader.get(ipaddress.ip_address(packed)))
                self._remember(record, place)
            return place
        except (ValueError, maxminddb.InvalidDatabaseError):
            # Not an address, or a record that cannot be decoded.
            return NOWHERE

    def _remember(self, record: int, place: Place) -> None:
        if len(self._remembered) == PLACES:
            del self._places[self._remembered.popleft()]
        self._remembered.append(record)
        self._places[record] = place


AnyGeoDatabase = GeoDatabase | NoGeoDatabase


def _packed(address: str) -> bytes:
    """Return an address's 4 or 16 bytes, of IPv4 also if it is in a form of IPv6.

    Raises:
        ValueError: It is no address.
    """
    try:
        packed = inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except (OSError, ValueError):  # no address, or one with a zone
        packed = ipaddress.ip_address(address).packed
    return packed.removeprefix(_MAPPED)


def _open(path: Path) -> tuple[maxminddb.Reader, mmap]:
    try:
        with path.open("rb") as source, tempfile.NamedTemporaryFile(suffix=".mmdb") as copy:
            before = os.fstat(source.fileno())
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            after = os.fstat(source.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise GeoDatabaseError(f"{path}: it is being written")
            return maxminddb.open_database(copy.name), mmap(copy.fileno(), 0, access=ACCESS_READ)
    except maxminddb.InvalidDatabaseError:
        raise GeoDatabaseError(f"{path}: not a MaxMind-format database, or a damaged one") from None
    except OSError as error:
        raise GeoDatabaseError(f"{path}: {error.strerror or error}") from None


def _overrides() -> Mapping[int, int]:
    table = resources.files("ingest.enrichment").joinpath("data/city_overrides.csv")
    with table.open(encoding="utf-8") as rows:
        return MappingProxyType(
            {int(row["from_geoname_id"]): int(row["to_geoname_id"]) for row in csv.DictReader(rows)}
        )


CITY_OVERRIDES: Final = _overrides()
"""GeoNames ids of cities, by the ids of their districts."""


def _place(record: object) -> Place:
    country = _country(record)
    if not country or not isinstance(record, dict):
        return NOWHERE
    subdivisions = record.get("subdivisions")
    codes = [
        f"{country}-{code}" if (code := _text(subdivision, "iso_code")) else ""
        for subdivision in (subdivisions[:2] if isinstance(subdivisions, list) else ())
    ]
    city = record.get("city")
    city_id = city.get("geoname_id") if isinstance(city, dict) else None
    if type(city_id) is not int or not 0 < city_id <= _MAX_GEONAME_ID:
        city_id = 0
    return Place(
        country_code=country,
        subdivision1_code=codes[0] if codes else "",
        subdivision2_code=codes[1] if len(codes) > 1 else "",
        city_geoname_id=CITY_OVERRIDES.get(city_id, city_id),
    )


def _country(record: object) -> str:
    """Return a record's country; empty if it has none, or not a code of two letters."""
    if not isinstance(record, dict):
        return ""
    code = _text(record.get("country"), "iso_code") or _text(record, "country_code")
    code = code.upper()
    if len(code) != 2 or not code.isascii() or not code.isalnum() or code in UNKNOWN_COUNTRIES:
        return ""
    return code


def _text(record: object, key: str) -> str:
    value = record.get(key) if isinstance(record, dict) else None
    return value if isinstance(value, str) else ""

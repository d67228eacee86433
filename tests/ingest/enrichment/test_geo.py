import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from ingest.enrichment.geo import (
    ANONYMOUS_VPN,
    CITY_OVERRIDES,
    GeoDatabase,
    GeoDatabaseError,
    NoGeoDatabase,
)
from ingest.model.event import NOWHERE, Place

RECORDS: dict[str, Any] = {
    "2.125.160.216/29": {
        "city": {"geoname_id": 2655045, "names": {"en": "Boxford"}},
        "country": {"iso_code": "GB", "geoname_id": 2635167},
        "subdivisions": [{"iso_code": "ENG"}, {"iso_code": "WBK"}],
    },
    "10.1.0.0/16": {
        "city": {"geoname_id": 2772614},
        "country": {"iso_code": "AT"},
        "subdivisions": [{"iso_code": "9"}],
    },
    "10.2.0.0/16": {"country": {"iso_code": "T1"}, "city": {"geoname_id": 5}},
    "10.3.0.0/16": {"city": {"geoname_id": 5}, "subdivisions": [{"iso_code": "ENG"}]},
    "10.4.0.0/16": {"country": {"iso_code": "de"}},
    "10.5.0.0/16": {"country": {"iso_code": "DEU"}},
    "10.6.0.0/16": {
        "country": {"iso_code": "FR"},
        "subdivisions": [{"names": {"en": "?"}}, {"iso_code": "75"}, {"iso_code": "X"}],
        "city": {"names": {"en": "Paris"}},
    },
    "10.7.0.0/16": {"country": "France", "country_code": "FR", "city": "Paris", "state1": "IdF"},
    "10.8.0.0/16": {"country_code": "XX"},
    "10.9.0.0/16": {"country": {"iso_code": "IT"}, "subdivisions": "?", "city": {"geoname_id": -1}},
    "10.10.0.0/16": {"registered_country": {"iso_code": "US"}},
    "10.11.0.0/16": ["DE"],
    "2001:218::/32": {"country": {"iso_code": "JP"}},
}

Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def build(
        records: dict[str, Any],
        name: str = "geo.mmdb",
        ip_version: int = 6,
        kind: str = "Test-City",
    ) -> Path:
        writer = MMDBWriter(ip_version, kind, ipv4_compatible=ip_version == 6, int_type="i32")
        for network, record in records.items():
            writer.insert_network(IPSet([network]), record)
        path = tmp_path / name
        writer.to_db_file(str(path))
        return path

    return build


@pytest.fixture
def database(build: Build) -> Iterator[GeoDatabase]:
    database = GeoDatabase(build(RECORDS))
    yield database
    database.close()


@pytest.mark.parametrize(
    ("address", "place"),
    [
        pytest.param("2.125.160.216", Place("GB", "GB-ENG", "GB-WBK", 2655045), id="spec vector"),
        pytest.param(
            "::ffff:2.125.160.216", Place("GB", "GB-ENG", "GB-WBK", 2655045), id="mapped IPv4"
        ),
        pytest.param("10.1.2.3", Place("AT", "AT-9", "", 2761369), id="district becomes city"),
        pytest.param("10.2.0.1", NOWHERE, id="T1 is no country, so no city"),
        pytest.param("10.3.0.1", NOWHERE, id="no country, so no subdivision or city"),
        pytest.param("10.4.0.1", Place("DE"), id="lower case"),
        pytest.param("10.5.0.1", NOWHERE, id="three letters do not fit"),
        pytest.param("10.6.0.1", Place("FR", "", "FR-75"), id="first subdivision without code"),
        pytest.param("10.7.0.1", Place("FR"), id="flat layout"),
        pytest.param("10.8.0.1", NOWHERE, id="flat layout, XX"),
        pytest.param("10.9.0.1", Place("IT"), id="values of wrong types"),
        pytest.param("10.10.0.1", NOWHERE, id="registered country only"),
        pytest.param("10.11.0.1", NOWHERE, id="record is a list"),
        pytest.param("2001:218::1", Place("JP"), id="IPv6"),
        pytest.param("2001:218::1%eth0", Place("JP"), id="IPv6 with zone"),
        pytest.param("192.0.2.1", NOWHERE, id="not in the database"),
        pytest.param("10.1.2", NOWHERE, id="short form is no address"),
        pytest.param("10.1.2.3:80", NOWHERE, id="with port"),
        pytest.param("unknown", NOWHERE, id="word"),
        pytest.param("", NOWHERE, id="empty"),
        pytest.param("\x00", NOWHERE, id="NUL"),
        pytest.param("\ud800", NOWHERE, id="surrogate"),
        pytest.param("1" * 100_000, NOWHERE, id="long"),
    ],
)
def test_looks_up(database: GeoDatabase, address: str, place: Place) -> None:
    assert database.lookup(address) == place
    assert database.lookup(address) == place  # out of the cache


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters()) | st.ip_addresses().map(str))
def test_no_address_raises(database: GeoDatabase, address: str) -> None:
    assert isinstance(database.lookup(address), Place)


def test_looks_up_ipv6_in_a_database_of_ipv4(build: Build) -> None:
    database = GeoDatabase(build({"10.0.0.0/8": {"country_code": "DE"}}, ip_version=4))

    assert database.lookup("2001:218::1") == NOWHERE
    assert database.lookup("10.0.0.1") == Place("DE")
    assert database.lookup("::ffff:10.0.0.1") == Place("DE")
    database.close()


def test_remembers_the_places_of_records(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.enrichment.geo.PLACES", 2)
    networks = {f"10.{number}.0.0/16": {"country_code": f"D{number}"} for number in range(5)}
    database = GeoDatabase(build(networks))

    for round_ in range(2):
        for number in (0, 1, 0, 2, 3, 0, 4):
            assert database.lookup(f"10.{number}.{round_}.1") == Place(f"D{number}")
    assert database.lookup("10.4.7.1") is database.lookup("10.4.7.2")
    database.close()


def test_describes_itself(build: Build) -> None:
    path = build(RECORDS, kind="DBIP-City-Lite")
    database = GeoDatabase(path)

    assert database.path == path
    assert database.type == "DBIP-City-Lite"
    assert database.built_at > 1_600_000_000
    database.close()


def test_is_nowhere_after_close(build: Build) -> None:
    database = GeoDatabase(build(RECORDS))
    assert database.lookup("2001:218::1") != NOWHERE

    database.close()

    assert database.lookup("2001:218::1") == NOWHERE
    assert database.lookup("10.4.0.1") == NOWHERE


def test_a_file_truncated_in_place_hurts_nobody(build: Build) -> None:
    path = build(RECORDS)
    database = GeoDatabase(path)

    os.truncate(path, 0)

    assert database.lookup("2.125.160.216").city_geoname_id == 2655045
    database.close()


def test_leaves_no_copy_behind(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(copies))

    database = GeoDatabase(build(RECORDS))

    assert list(copies.iterdir()) == []
    assert database.lookup("10.4.0.1") == Place("DE")
    database.close()


def broken(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda path, _: path / "none.mmdb", "No such file", id="missing"),
        pytest.param(lambda path, _: path, "Is a directory", id="directory"),
        pytest.param(lambda path, _: broken(path / "x", b""), "not a MaxMind", id="empty"),
        pytest.param(lambda path, _: broken(path / "x", b"a" * 9999), "not a MaxMind", id="text"),
        pytest.param(
            lambda path, good: broken(path / "x", good.read_bytes()[:500]),
            "not a MaxMind",
            id="truncated",
        ),
    ],
)
def test_refuses_what_is_no_database(
    build: Build, tmp_path: Path, make: Callable[[Path, Path], Path], reason: str
) -> None:
    path = make(tmp_path, build(RECORDS))

    with pytest.raises(GeoDatabaseError, match=reason) as raised:
        GeoDatabase(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(
            {"10.0.0.0/8": {"autonomous_system_number": 1, "autonomous_system_organization": "x"}},
            id="ASN",
        ),
        pytest.param({"10.0.0.0/8": {"is_anonymous": True}}, id="anonymous IP"),
    ],
)
def test_refuses_a_database_of_something_else(build: Build, records: dict[str, Any]) -> None:
    path = build(records, kind="GeoLite2-ASN")

    with pytest.raises(GeoDatabaseError, match="holds no countries, its type is 'GeoLite2-ASN'"):
        GeoDatabase(path)


def test_refuses_a_database_whose_data_are_damaged(build: Build) -> None:
    path = build(RECORDS)
    content = bytearray(path.read_bytes())
    data = content.index(bytes(16), 1000)  # the separator between search tree and data
    end = content.index(b"\xab\xcd\xefMaxMind.com")
    content[data + 16 : end] = b"\xff" * (end - data - 16)
    path.write_bytes(content)

    with pytest.raises(GeoDatabaseError, match="damaged"):
        GeoDatabase(path)


def test_refuses_a_file_that_is_being_written(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build(RECORDS)

    def copy_while_it_grows(source: Any, target: Any, size: int) -> None:
        target.write(source.read(size))
        with path.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr("shutil.copyfileobj", copy_while_it_grows)

    with pytest.raises(GeoDatabaseError, match="being written"):
        GeoDatabase(path)


def test_without_a_database_everything_is_nowhere() -> None:
    database = NoGeoDatabase()

    assert database.lookup("2.125.160.216") == NOWHERE
    database.close()
    assert (database.path, database.type, database.built_at) == (None, "", 0)


def test_overrides_lead_to_cities_in_one_step() -> None:
    assert len(CITY_OVERRIDES) == 83
    assert CITY_OVERRIDES[2762518] == 2772400  # Linz
    assert not set(CITY_OVERRIDES) & set(CITY_OVERRIDES.values())


def test_a_vpn_is_in_no_real_country() -> None:
    assert Place("A1", "", "", 0) == ANONYMOUS_VPN

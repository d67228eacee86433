from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from ingest.check.geo_database import OLD_DAYS, check_geo
from ingest.check.report import Level
from ingest.enrichment.geo import GeoDatabase, NoGeoDatabase

Build = Callable[[dict[str, Any]], GeoDatabase]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def build(records: dict[str, Any]) -> GeoDatabase:
        writer = MMDBWriter(6, "Test-City", ipv4_compatible=True, int_type="i32")
        for network, record in records.items():
            writer.insert_network(IPSet([network]), record)
        path = tmp_path / "geo.mmdb"
        writer.to_db_file(str(path))
        return GeoDatabase(path)

    return build


US: dict[str, Any] = {
    "8.8.8.0/24": {
        "country": {"iso_code": "US"},
        "subdivisions": [{"iso_code": "CA"}],
        "city": {"geoname_id": 5375480},
    }
}


def test_none() -> None:
    (found,) = check_geo(NoGeoDatabase(), 0)
    assert found.level is Level.OK


def test_a_fresh_one_with_a_sample(build: Build) -> None:
    geo = build(US)
    about, sample = check_geo(geo, geo.built_at + 86_400)
    assert (about.level, sample.level) == (Level.OK, Level.OK)
    assert "geo.mmdb: Test-City, built " in about.text
    assert sample.text == "8.8.8.8 is in US, US-CA, city 5375480"


def test_an_old_one(build: Build) -> None:
    geo = build(US)
    about, _ = check_geo(geo, geo.built_at + (OLD_DAYS + 1) * 86_400)
    assert about.level is Level.WARNING
    assert f"{OLD_DAYS + 1} days ago" in about.text


def test_one_that_finds_nothing(build: Build) -> None:
    geo = build({"10.0.0.0/8": {"country": {"iso_code": "DE"}}})
    _, sample = check_geo(geo, geo.built_at)
    assert sample.level is Level.WARNING

from datetime import UTC
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from ingest.sites.time_zone import find_time_zone, time_zone_problem


@pytest.mark.parametrize("name", [None, "UTC", "Etc/UTC"])
def test_utc(name: str | None) -> None:
    assert find_time_zone(name) is UTC


def test_a_time_zone() -> None:
    zone = find_time_zone("Europe/Berlin")
    assert isinstance(zone, ZoneInfo)
    assert zone.key == "Europe/Berlin"
    assert time_zone_problem("Europe/Berlin") is None


@pytest.mark.parametrize(
    "name", ["", "Europe", "Europe/Nowhere", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 5000]
)
def test_what_is_no_time_zone(name: str) -> None:
    assert find_time_zone(name) is None
    assert time_zone_problem(name) == "a time zone such as Europe/Berlin"


def test_a_system_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> ZoneInfo:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr("ingest.sites.time_zone.ZoneInfo", not_found)
    assert find_time_zone("UTC") is UTC
    assert find_time_zone("Europe/Berlin") is None
    assert time_zone_problem("Europe/Berlin") is None

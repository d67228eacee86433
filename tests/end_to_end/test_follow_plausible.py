"""Sites and salts that are followed in a real PostgreSQL with Plausible's tables."""

from contextlib import closing

import pytest

from ingest.plausible.postgres import PlausibleError, PlausibleReader
from tests.end_to_end.test_import_plausible import TODAY, Make, full, make, postgres

__all__ = ["make", "postgres"]


def test_each_change_is_found_once(make: Make) -> None:
    plausible = full(make)
    with closing(PlausibleReader(plausible.url)) as reader:
        first = reader.read_changes()
        assert first is not None
        assert [site.id for site in first.sites] == [1, 2]
        assert reader.read_changes() is None
        for change in (
            "INSERT INTO sites (id, domain) VALUES (3, 'three.example')",
            "UPDATE sites SET domain = 'drei.example' WHERE id = 3",
            "UPDATE sites SET domain = 'tres.example' WHERE id = 3",
            "DELETE FROM sites WHERE id = 3",
            "UPDATE teams SET accept_traffic_until = NULL",
            "INSERT INTO goals (site_id, event_name, currency) VALUES (1, 'x', 'USD')",
            "DELETE FROM shield_rules_ip WHERE inet = '192.0.2.1'",
            "UPDATE shield_rules_page SET page_path = '/x'",
            f"INSERT INTO salts (salt, inserted_at) VALUES ('\\x{TODAY.hex()}', now())",
        ):
            before = reader.read_changes(everything=True)
            plausible.run(change)
            data = reader.read_changes()
            assert data is not None, change
            assert data != before, change
            assert reader.read_changes() is None, change
        assert reader.read_changes(everything=True) == data


def test_a_lost_connection_is_opened_again(make: Make) -> None:
    plausible = full(make)
    with closing(PlausibleReader(plausible.url)) as reader:
        data = reader.read_changes()
        plausible.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'sluice' AND datname = current_database()"
        )
        with pytest.raises(PlausibleError):
            reader.read_changes()
        assert reader.read_changes() == data


def test_new_columns_are_found_when_everything_is_read(make: Make) -> None:
    plausible = make("2023-04")
    plausible.site(1, "one.example")
    with closing(PlausibleReader(plausible.url)) as reader:
        data = reader.read_changes()
        assert data is not None
        assert "revenue_goals" not in data.known
        plausible.run("ALTER TABLE goals ADD currency varchar(255)")
        data = reader.read_changes(everything=True)
        assert data is not None
        assert "revenue_goals" in data.known


def test_a_migration_that_takes_a_table_away(make: Make) -> None:
    plausible = full(make)
    with closing(PlausibleReader(plausible.url)) as reader:
        reader.read_changes()
        plausible.run("DROP TABLE shield_rules_page")
        with pytest.raises(PlausibleError, match="does not exist"):
            reader.read_changes()
        data = reader.read_changes()
        assert data is not None
        assert "page" not in data.known


def test_views_cannot_be_followed(make: Make) -> None:
    plausible = make()
    plausible.run("ALTER TABLE sites RENAME TO all_sites")
    plausible.run("CREATE VIEW sites AS SELECT id, domain FROM all_sites")
    with (
        closing(PlausibleReader(plausible.url)) as reader,
        pytest.raises(PlausibleError, match="xmin") as raised,
    ):
        reader.read_changes()
    assert "views" in raised.value.advice

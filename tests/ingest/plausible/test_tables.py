import re
from datetime import date

import pytest

from ingest.plausible.tables import (
    Columns,
    Goal,
    NotPlausibleError,
    PlausibleData,
    PlausibleSite,
    Rows,
    Rule,
    StoredSalt,
    combine_answers,
    statements,
)
from ingest.sites.site import SiteScript

SITES = frozenset({"id", "domain"})


def columns(**tables: str) -> Columns:
    return {"sites": SITES, **{name: frozenset(text.split()) for name, text in tables.items()}}


def test_a_database_without_sites() -> None:
    for tables in ({}, {"sites": frozenset({"id"})}):
        with pytest.raises(NotPlausibleError, match="no table sites"):
            statements(tables)


@pytest.mark.parametrize(
    ("tables", "marked"),
    [
        pytest.param(columns(users="id"), ["sites"], id="nothing but sites"),
        pytest.param(
            columns(
                sites="id domain team_id",
                teams="id accept_traffic_until",
                users="id accept_traffic_until",
                salts="salt inserted_at",
                goals="id site_id event_name currency",
                shield_rules_page="site_id page_path",
                tracker_script_configuration="id site_id",
            ),
            [
                *("goals", "salts", "shield_rules_page", "sites", "teams"),
                "tracker_script_configuration",
            ],
            id="what is read",
        ),
        pytest.param(
            columns(
                users="id accept_traffic_until", site_memberships="site_id user_id role", goals="id"
            ),
            ["site_memberships", "sites", "users"],
            id="owners",
        ),
    ],
)
def test_the_tables_that_are_read_are_watched(tables: Columns, marked: list[str]) -> None:
    assert re.findall(r"FROM (\w+)", statements(tables).marks) == marked


def test_a_database_with_nothing_but_sites() -> None:
    asked = statements(columns())
    assert asked.sql == {
        "sites": "SELECT s.id, s.domain, NULL, NULL, NULL, NULL, false, NULL "
        "FROM sites s ORDER BY s.id"
    }
    assert asked.known == frozenset()
    assert len(asked.missing) == 11
    assert asked.missing[4].startswith("ip rules (shield_rules_ip): not in this database")


@pytest.mark.parametrize(
    ("tables", "until"),
    [
        pytest.param(
            columns(
                sites="id domain team_id",
                teams="id accept_traffic_until",
                users="id accept_traffic_until",
                site_memberships="site_id user_id role",
            ),
            "FROM teams t WHERE t.id = s.team_id",
            id="teams",
        ),
        pytest.param(
            columns(
                users="id accept_traffic_until",
                site_memberships="site_id user_id role",
                teams="id accept_traffic_until",
            ),
            "m.role::text = 'owner'",
            id="owners",
        ),
        pytest.param(
            columns(sites="id domain accept_traffic_until"), "s.accept_traffic_until", id="sites"
        ),
    ],
)
def test_where_a_subscription_ends(tables: Columns, until: str) -> None:
    asked = statements(tables)
    assert until in asked.sql["sites"]
    assert "accept_traffic_until" in asked.known


def test_rules_without_an_action() -> None:
    asked = statements(
        columns(shield_rules_ip="site_id inet", shield_rules_hostname="site_id hostname action")
    )
    assert "abbrev(inet), 'deny' FROM" in asked.sql["ip"]
    assert "hostname, action::text FROM" in asked.sql["hostname"]
    assert asked.known == {"ip", "hostname"}


def test_options_of_scripts_that_the_version_does_not_have() -> None:
    asked = statements(columns(tracker_script_configuration="id site_id file_downloads"))
    assert asked.sql["scripts"] == (
        "SELECT site_id, id::text, false, coalesce(file_downloads, false), false, false "
        "FROM tracker_script_configuration"
    )


def test_found() -> None:
    asked = statements(columns(salts="salt inserted_at"))
    answers: dict[str, Rows] = {
        "sites": [(1, "a", None, 5, 60, date(2027, 1, 1), False)],
        "ip": [(1, "192.0.2.1", "deny")],
        "goals": [(1, "x", "EUR")],
        "scripts": [(1, "x1", True, False, False, False)],
        "salts": [(memoryview(b"k" * 16), 7)],
    }
    assert combine_answers(asked, answers) == PlausibleData(
        (PlausibleSite(1, "a", None, 5, 60, date(2027, 1, 1)),),
        {"ip": (Rule(1, "192.0.2.1", "deny"),)},
        (Goal(1, "x", "EUR"),),
        (StoredSalt(b"k" * 16, 7),),
        frozenset({"salts"}),
        asked.missing,
        {1: SiteScript("x1", outbound_links=True)},
    )

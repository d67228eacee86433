"""Findings on the sites, their files and their traffic."""

from typing import Any

import pytest

from ingest.observation.diagnosis.diagnose import diagnose
from ingest.observation.diagnosis.finding import Severity
from ingest.observation.diagnosis.server_health import ServerHealth
from ingest.observation.diagnosis.sites import SHOWN
from ingest.observation.odd_scripts import OddScript, ScriptFault
from tests.ingest.observation.diagnosis.cases import Case, check

CASES: dict[str, Case] = {
    "a mistake in the sites file": (
        {"sites_problem": "sites.toml, line 3:\n  id: expected a number"},
        Severity.DEGRADED,
        "sites",
        "not in force (sites.toml, line 3: id: expected a number).",
    ),
    "a PostgreSQL that is away": (
        {"sites_problem": "connection refused", "sites_followed": True},
        Severity.DEGRADED,
        "sites",
        "Plausible's PostgreSQL is not followed in all (connection refused).",
    ),
    "no sites": ({"sites": 0}, Severity.DEGRADED, "sites", "No site is registered"),
    "a broken geo database": ({"geo_problem": "gone"}, Severity.DEGRADED, "places", "(gone)"),
    "unknown sites": ({"unknown_events": 7}, Severity.NOTE, "sites", "7 events of the last hour"),
    "unknown sites by name": (
        {"unknown_events": 9, "unknown_domains": {"b.example": 5, "a.example": 1}},
        Severity.NOTE,
        "sites",
        "9 events of the last hour named no registered site: “b.example” (5 events), "
        "“a.example” (1 event).",
    ),
    "many unknown sites": (
        {"unknown_events": 9, "unknown_domains": {f"{n}.example": 1 for n in range(7)}},
        Severity.NOTE,
        "sites",
        "“4.example” (1 event), 2 more.",
    ),
    "scripts of unknown sites": (
        {
            "odd_scripts": [
                OddScript(f"/js/pa-{n}.js", ScriptFault.UNKNOWN_SITE, 1, 0) for n in range(7)
            ]
        },
        Severity.NOTE,
        "scripts",
        "“/js/pa-4.js” (1 request), 2 more.",
    ),
    "scripts that are not found": (
        {"odd_scripts": [OddScript("/js/scripts.js", ScriptFault.UNKNOWN_NAME, 3, 0)]},
        Severity.NOTE,
        "scripts",
        "Pages ask for scripts that were not found: “/js/scripts.js” (3 requests).",
    ),
    "scripts with unknown words": (
        {"odd_scripts": [OddScript("/js/script.x.js", ScriptFault.UNKNOWN_WORDS, 1200, 0)]},
        Severity.NOTE,
        "scripts",
        "names have unknown words: “/js/script.x.js” (1,200 requests).",
    ),
    "silence": (
        {"events": 0, "uptime_seconds": 901.0},
        Severity.NOTE,
        "traffic",
        "No event has come",
    ),
}

WELL: dict[str, dict[str, Any]] = {
    "just started": {"events": 0, "uptime_seconds": 10.0},
    "unknown sites are taken": {"sites": 0, "unknown_events": 7, "unknown_accepted": True},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_found(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("health", WELL.values(), ids=WELL)
def test_when_all_is_well(health: dict[str, Any]) -> None:
    assert diagnose(ServerHealth(**health)) == []


@pytest.mark.parametrize(
    ("followed", "expected"),
    [
        (False, tuple(f"sluice sites add {n}.example" for n in range(SHOWN))),
        (True, ()),
    ],
)
def test_commands_add_unknown_sites(followed: bool, expected: tuple[str, ...]) -> None:
    domains = {f"{n}.example": 1 for n in range(SHOWN + 2)}
    health = ServerHealth(unknown_events=9, unknown_domains=domains, sites_followed=followed)
    (finding,) = diagnose(health)
    assert finding.commands == expected
    assert ("Plausible's dashboard" in finding.advice) is followed

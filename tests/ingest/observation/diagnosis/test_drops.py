"""Findings on sites whose events are dropped."""

from typing import Any

import pytest

from ingest.model.verdict import DropReason
from ingest.observation.diagnosis.diagnose import diagnose, headline, status
from ingest.observation.diagnosis.drops import LEAST_DROPS, SHOWN
from ingest.observation.diagnosis.finding import Severity
from ingest.observation.diagnosis.server_health import ServerHealth
from tests.ingest.observation.diagnosis.cases import Case, check

BOT, PAGE, HOST = DropReason.BOT, DropReason.SITE_PAGE_BLOCKLIST, DropReason.SITE_HOSTNAME_ALLOWLIST
ENOUGH = LEAST_DROPS

CASES: dict[str, Case] = {
    "more than a tenth": (
        {"verdicts": {"a.example": {None: 88, PAGE: 11, BOT: 1}}},
        Severity.DEGRADED,
        "drops",
        "11 of 100 events of “a.example” in the last hour were dropped: site_page_blocklist (11).",
    ),
    "several reasons": (
        {"verdicts": {"a.example": {None: 1000, PAGE: 400, HOST: 600, BOT: 2000}}},
        Severity.DEGRADED,
        "drops",
        "1,000 of 4,000 events of “a.example” in the last hour were dropped: "
        "site_hostname_allowlist (600), site_page_blocklist (400).",
    ),
    "all": (
        {"verdicts": {"a.example": {HOST: ENOUGH}}},
        Severity.DEGRADED,
        "drops",
        f"{ENOUGH} of {ENOUGH} events",
    ),
}

WELL: dict[str, dict[str, Any]] = {
    "a tenth": {"a.example": {None: 90, PAGE: 10}},
    "few": {"a.example": {None: 1, PAGE: ENOUGH - 1}},
    "bots": {
        "a.example": {
            None: 10,
            BOT: 500,
            DropReason.SPAM_REFERRER: 500,
            DropReason.VERIFICATION_AGENT: 500,
        }
    },
    "many bots, and few others": {"a.example": {BOT: 500, PAGE: 50}},
    "accepted": {"a.example": {None: 1}},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_found(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("verdicts", WELL.values(), ids=WELL)
def test_when_all_is_well(verdicts: dict[str, Any]) -> None:
    assert diagnose(ServerHealth(verdicts=verdicts)) == []


def test_it_needs_care() -> None:
    found = diagnose(ServerHealth(verdicts={"a.example": {PAGE: ENOUGH}}))
    assert status(found) == "degraded"
    assert headline(found) == "Events are taken, but something needs care"
    assert found[0].commands == ("sluice drops --site a.example",)


def test_a_command_is_safe_whatever_the_domain() -> None:
    (finding,) = diagnose(ServerHealth(verdicts={"a;reboot": {PAGE: ENOUGH}}))
    assert finding.commands == ("sluice drops --site 'a;reboot'",)


def test_the_sites_that_drop_most_are_named() -> None:
    verdicts = {f"{n}.example": {None: 10, PAGE: ENOUGH + n} for n in range(SHOWN + 2)}
    found = diagnose(ServerHealth(verdicts=verdicts))
    sites = [finding.commands[0].split()[-1] for finding in found[:-1]]
    assert sites == [f"{n}.example" for n in range(SHOWN + 1, 1, -1)]
    assert found[-1].what == "2 more sites drop more than a tenth of their events."
    assert found[-1].commands == ()

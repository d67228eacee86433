"""Examines how much sites drop."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from ingest.model.verdict import DropReason
from ingest.observation.diagnosis.finding import Diagnosis, Severity
from ingest.observation.diagnosis.server_health import ServerHealth
from ingest.observation.diagnosis.words import count

DROPPED_SHARE: Final = 0.1
"""Share of a site's events beyond which drops are reported."""

LEAST_DROPS: Final = 5
"""Number of drops in an hour from which on they are reported: few events say little."""

SHOWN: Final = 5
"""Maximum number of sites that have a finding of their own."""

BOTS: Final = frozenset({DropReason.BOT, DropReason.SPAM_REFERRER, DropReason.VERIFICATION_AGENT})
"""Reasons that tell of a program, not of a visitor. Any number of such drops is in order."""

Verdicts = Mapping[DropReason | None, int]


def examine_drops(health: ServerHealth) -> Iterator[Diagnosis]:
    """Sites that drop too much for other reasons than bots, those with most such drops first."""
    found = {
        site: dropped
        for site, verdicts in health.verdicts.items()
        if (dropped := _dropped(verdicts)) >= LEAST_DROPS
        and dropped > DROPPED_SHARE * sum(verdicts.values())
    }
    worst = sorted(found, key=lambda site: (-found[site], site))
    for site in worst[:SHOWN]:
        yield _finding(site, health.verdicts[site])
    more = len(worst) - SHOWN
    if more > 0:
        yield Diagnosis(
            Severity.DEGRADED,
            "drops",
            f"{count(more, 'more site')} {'drops' if more == 1 else 'drop'} more than a tenth of "
            f"{'its' if more == 1 else 'their'} events.",
            "The table of sites has the reasons.",
        )


def _finding(site: str, verdicts: Verdicts) -> Diagnosis:
    dropped, total = _dropped(verdicts), sum(verdicts.values())
    reasons = sorted(
        ((number, reason) for reason, number in verdicts.items() if reason and reason not in BOTS),
        key=lambda one: -one[0],
    )
    named = ", ".join(f"{reason} ({number:,})" for number, reason in reasons)
    return Diagnosis(
        Severity.DEGRADED,
        "drops",
        f"{dropped:,} of {total:,} events of “{site}” in the last hour were dropped: {named}.",
        "This lists what matched; docs/diagnosis.md says what to do about each reason.",
        (f"sluice drops --site {shlex.quote(site)}",),
    )


def _dropped(verdicts: Verdicts) -> int:
    return sum(n for reason, n in verdicts.items() if reason is not None and reason not in BOTS)

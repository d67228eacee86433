"""Examines the sites, the files that an operator edits, and what pages send and ask for."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from ingest.observation.diagnosis.finding import Diagnosis, Severity
from ingest.observation.diagnosis.server_health import ServerHealth
from ingest.observation.diagnosis.words import count, quote
from ingest.observation.odd_scripts import ScriptFault

SHOWN: Final = 5
"""Maximum number of domains, or of addresses of scripts, that a finding names."""

QUIET_SECONDS: Final = 900.0
"""Uptime after which a lack of events is reported."""


_FAULTS: Final = {
    ScriptFault.UNKNOWN_SITE: (
        "Pages ask for scripts of sites that are not known",
        "These pages send nothing; import the sites from Plausible again, or write the id into "
        "[site.script] in the sites file.",
    ),
    ScriptFault.UNKNOWN_NAME: (
        "Pages ask for scripts that were not found",
        "If they are yours, they send nothing; docs/trackers.md has all addresses of the script.",
    ),
    ScriptFault.UNKNOWN_WORDS: (
        "Pages ask for scripts whose names have unknown words",
        "They get the script without what these words mean; docs/trackers.md has all words.",
    ),
}
"""What is said of an address, and what to do."""


def examine_files(health: ServerHealth) -> Iterator[Diagnosis]:
    """The sites, and the geo database."""
    if health.sites_problem and health.sites_followed:
        yield Diagnosis(
            Severity.DEGRADED,
            "sites",
            f"Plausible's PostgreSQL is not followed in all{quote(health.sites_problem)}.",
            "What was last read there is used; “sluice check” says what to do.",
        )
    elif health.sites_problem:
        yield Diagnosis(
            Severity.DEGRADED,
            "sites",
            f"The sites file is not in force{quote(health.sites_problem)}.",
            "The last good state is used; correct the file and it is taken over at once.",
        )
    elif not health.sites and not health.unknown_accepted:
        yield Diagnosis(
            Severity.DEGRADED,
            "sites",
            "No site is registered: every event is dropped.",
            "Add your sites in Plausible's dashboard."
            if health.sites_followed
            else "Add your sites to the file that SLUICE_SITES names.",
        )
    if health.geo_problem:
        yield Diagnosis(
            Severity.DEGRADED,
            "places",
            f"The geo database is not in force{quote(health.geo_problem)}.",
            "The last good one is used; put a whole file in its place.",
        )


def examine_traffic(health: ServerHealth) -> Iterator[Diagnosis]:
    """What events are sent, or are not."""
    if health.unknown_events and not health.unknown_accepted:
        yield _unknown_sites(health)
    if not health.events and health.uptime_seconds > QUIET_SECONDS:
        yield Diagnosis(
            Severity.NOTE,
            "traffic",
            "No event has come in the last hour.",
            "If there should be some, see whether the trackers' address leads here.",
        )


def _unknown_sites(health: ServerHealth) -> Diagnosis:
    events = f"{count(health.unknown_events, 'event')} of the last hour named no registered site"
    domains = health.unknown_domains
    if health.sites_followed:
        advice = "If one of the domains is yours, add it in Plausible's dashboard."
    elif domains:
        advice = "If one of the domains is yours, add it with its command."
    else:
        advice = "If one is yours, add its domain to the sites file: the last events show it."
    return Diagnosis(
        Severity.NOTE,
        "sites",
        f"{events}: {_named(domains, 'event')}." if domains else f"{events}.",
        advice,
        ()
        if health.sites_followed
        else tuple(f"sluice sites add {domain}" for domain in islice(domains, SHOWN)),
    )


def examine_scripts(health: ServerHealth) -> Iterator[Diagnosis]:
    """Addresses of the tracker that are not known."""
    for fault, (what, advice) in _FAULTS.items():
        scripts = {
            script.path: script.requests for script in health.odd_scripts if script.fault is fault
        }
        if scripts:
            yield Diagnosis(
                Severity.NOTE, "scripts", f"{what}: {_named(scripts, 'request')}.", advice
            )


def _named(numbers: Mapping[str, int], noun: str) -> str:
    named = [f"“{name}” ({count(number, noun)})" for name, number in numbers.items()]
    more = [f"{len(named) - SHOWN} more"] if len(named) > SHOWN else []
    return ", ".join([*named[:SHOWN], *more])

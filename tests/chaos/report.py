"""Formats the results."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tests.chaos.audit import CHECKS, Findings
from tests.chaos.events import Outcome
from tests.chaos.plan import SERVER_KILLS, STORE_OUTAGES, Fault
from tests.chaos.run import Result

SHOWN: Final = 5
"""Maximum number of violations of a kind that are shown in full."""


def table(result: Result) -> str:
    """Return a run's table and its verdicts."""
    return "\n".join(_lines(result)) + "\n"


def summary(results: Iterable[Result], seed: int) -> str:
    """Return a summary of all runs, in a few lines."""
    results = list(results)
    kills = sum(
        SERVER_KILLS.get(fault, 0) * times
        for result in results
        for fault, times in result.inflicted.items()
    )
    outages = sum(
        times
        for result in results
        for fault, times in result.inflicted.items()
        if fault in STORE_OUTAGES
    )
    outcomes: Counter[Outcome] = sum(
        (result.findings.outcomes for result in results if result.findings), Counter()
    )
    violations: Counter[str] = Counter()
    for result in results:
        if result.findings:
            violations.update(
                {check: len(cases) for check, cases in result.findings.violations.items()}
            )
    passed = all(result.passed for result in results)
    rows = (
        ("server killed with -9", kills),
        ("outages of the store", outages),
        ("events acknowledged", outcomes[Outcome.ACKNOWLEDGED]),
        ("lost", violations["lost"]),
        ("doubled", violations["doubled"]),
        ("sessions wrong", violations["session wrong"]),
    )
    lines = ["== all ==", *(row(what, figure) for what, figure in rows)]
    seconds = sum(result.seconds for result in results)
    verdict = "PASS" if passed else "FAIL"
    return "\n".join((*lines, f"{verdict}  seed {seed}, {seconds:.0f} s"))


def _lines(result: Result) -> Iterator[str]:
    yield f"== {result.store} =="
    yield "faults survived"
    for fault, times in sorted(result.inflicted.items(), key=lambda item: item[0].value):
        yield row(f"  {fault.value}", times)
        if fault is Fault.KILL_AT:
            yield from (row(f"    {moment}", n) for moment, n in sorted(result.moments.items()))
    yield row("  misbehaving connections", result.rude)
    for fault, times in result.skipped.items():
        yield row(f"  skipped: {fault.value}", times)
    if result.findings is not None:
        yield from figures(result.findings)
    yield "server"
    yield row("  processes", result.generations)
    yield row("  peak memory, MB", result.peak_kb // 1024)
    yield row("  seconds, longest fault with recovery", round(result.longest[0]))
    yield f"    {result.longest[1]}"
    yield row("  seconds of load", round(result.load_seconds))
    yield row("  seconds in all", round(result.seconds))
    if result.put_back:
        yield row("  dead letters put back", result.put_back)
    for note in result.notes:
        yield f"note: {note}"
    yield from verdicts(result.findings, result.failures)
    if not result.passed:
        yield f"everything is kept in {result.directory}"


def figures(findings: Findings) -> Iterator[str]:
    """Yield the lines about events and visits."""
    yield "events"
    yield row("  sent", findings.outcomes.total())
    for outcome in Outcome:
        yield row(f"  {outcome.value}", findings.outcomes[outcome])
    yield row("  unknown, stored", findings.unknown_stored)
    yield row("  refused, stored", findings.refused_stored)
    yield row("  set aside", findings.set_aside)
    yield row("  engagement dropped after its answer", findings.dropped_later)
    yield row("  stored", findings.stored)
    yield row("  lost", len(findings.violations["lost"]))
    yield row("  doubled", len(findings.violations["doubled"]))
    statuses = sorted(findings.statuses.items())
    answers = ", ".join(f"{status or 'none'}: {times}" for status, times in statuses)
    yield f"  answers  {answers}"
    yield "visits"
    yield row("  visitors", findings.visitors)
    yield row("  sessions checked", findings.sessions)
    yield row("  sessions wrong", len(findings.violations["session wrong"]))


def verdicts(findings: Findings | None, failures: Sequence[str]) -> Iterator[str]:
    """Yield the lines about violations and failures."""
    if findings is None:
        yield "FAIL  no audit was possible"
    else:
        for check in CHECKS:
            cases = findings.violations[check]
            yield f"{'FAIL' if cases else 'PASS'}  {check}: {len(cases)}"
            yield from (f"      {case}" for case in cases[:SHOWN])
            if len(cases) > SHOWN:
                yield f"      and {len(cases) - SHOWN} more"
    yield f"{'FAIL' if failures else 'PASS'}  not survived: {len(failures)}"
    for failure in failures[:SHOWN]:
        yield "      " + failure.replace("\n", "\n      ")


def row(what: str, figure: int) -> str:
    """Return a line of a table."""
    return f"{what:<56}{figure:>9,}"

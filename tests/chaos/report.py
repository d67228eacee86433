"""Formats the results."""

from collections import Counter
from collections.abc import Iterable, Iterator
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
    lines = ["== all ==", *(_row(what, figure) for what, figure in rows)]
    seconds = sum(result.seconds for result in results)
    verdict = "PASS" if passed else "FAIL"
    return "\n".join((*lines, f"{verdict}  seed {seed}, {seconds:.0f} s"))


def _lines(result: Result) -> Iterator[str]:
    yield f"== {result.store} =="
    yield "faults survived"
    for fault, times in sorted(result.inflicted.items(), key=lambda item: item[0].value):
        yield _row(f"  {fault.value}", times)
        if fault is Fault.KILL_AT:
            yield from (_row(f"    {moment}", n) for moment, n in sorted(result.moments.items()))
    yield _row("  misbehaving connections", result.rude)
    for fault, times in result.skipped.items():
        yield _row(f"  skipped: {fault.value}", times)
    if result.findings is not None:
        yield from _figures(result.findings)
    yield "server"
    yield _row("  processes", result.generations)
    yield _row("  peak memory, MB", result.peak_kb // 1024)
    yield _row("  seconds, longest fault with recovery", round(result.longest[0]))
    yield f"    {result.longest[1]}"
    yield _row("  seconds of load", round(result.load_seconds))
    yield _row("  seconds in all", round(result.seconds))
    if result.put_back:
        yield _row("  dead letters put back", result.put_back)
    for note in result.notes:
        yield f"note: {note}"
    yield from _verdicts(result)


def _figures(findings: Findings) -> Iterator[str]:
    yield "events"
    yield _row("  sent", findings.outcomes.total())
    for outcome in Outcome:
        yield _row(f"  {outcome.value}", findings.outcomes[outcome])
    yield _row("  unknown, stored", findings.unknown_stored)
    yield _row("  set aside", findings.set_aside)
    yield _row("  engagement dropped after its answer", findings.dropped_later)
    yield _row("  stored", findings.stored)
    yield _row("  lost", len(findings.violations["lost"]))
    yield _row("  doubled", len(findings.violations["doubled"]))
    statuses = sorted(findings.statuses.items())
    answers = ", ".join(f"{status or 'none'}: {times}" for status, times in statuses)
    yield f"  answers  {answers}"
    yield "visits"
    yield _row("  visitors", findings.visitors)
    yield _row("  sessions checked", findings.sessions)
    yield _row("  sessions wrong", len(findings.violations["session wrong"]))


def _verdicts(result: Result) -> Iterator[str]:
    if result.findings is None:
        yield "FAIL  no audit was possible"
    else:
        for check in CHECKS:
            cases = result.findings.violations[check]
            yield f"{'FAIL' if cases else 'PASS'}  {check}: {len(cases)}"
            yield from (f"      {case}" for case in cases[:SHOWN])
            if len(cases) > SHOWN:
                yield f"      and {len(cases) - SHOWN} more"
    yield f"{'FAIL' if result.failures else 'PASS'}  not survived: {len(result.failures)}"
    for failure in result.failures[:SHOWN]:
        yield "      " + failure.replace("\n", "\n      ")
    if not result.passed:
        yield f"everything is kept in {result.directory}"


def _row(what: str, figure: int) -> str:
    return f"{what:<56}{figure:>9,}"

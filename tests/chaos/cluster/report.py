"""Formats the result of a run of a cluster."""

from collections.abc import Iterator
from statistics import median

from tests.chaos.cluster.run import Result
from tests.chaos.report import figures, row, verdicts


def table(name: str, result: Result) -> str:
    """Return the run's table and its verdicts."""
    return "\n".join((f"== {name} ==", *_lines(result)))


def _lines(result: Result) -> Iterator[str]:
    account = result.account
    yield "faults survived"
    for fault, times in sorted(account.inflicted.items(), key=lambda item: item[0].value):
        yield row(f"  {fault.value}", times)
    for moment, times in sorted(account.moments.items()):
        yield row(f"    killed: {moment}", times)
    yield row("  misbehaving connections", result.rude)
    yield row("  workers that ended by themselves with 70", account.gave_up)
    yield row("  events cut off an outbox", account.tails_lost)
    yield row("  events sent to the topic again", result.copies)
    if result.findings is not None:
        yield from figures(result.findings)
    yield "processes"
    yield row("  started", result.generations)
    for name, peak in sorted(result.peaks.items()):
        yield row(f"  peak memory of {name}, MB", peak // 1024)
    if account.recoveries:
        yield row("  workers killed alone, until all was stored again", len(account.recoveries))
        yield row("    seconds, median", round(median(account.recoveries)))
        yield row("    seconds, longest", round(max(account.recoveries)))
    yield row("  seconds, longest wait of a partition", round(result.longest_lag))
    yield row("  seconds, longest single fault with recovery", round(account.longest[0]))
    yield f"    {account.longest[1]}"
    yield row("  seconds of load", round(result.load_seconds))
    yield row("  seconds in all", round(result.seconds))
    yield from verdicts(result.findings, account.failures)
    if not result.passed:
        yield f"everything is kept in {result.directory}"

"""`python -m tests.differential`: random requests to servers with and without the fast path.

Prints every conversation on which they differ, as a Python literal for `found.py`.
"""

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Final

import structlog
import trio

from tests.differential.comparison import Difference, Report, compare_all
from tests.differential.conversations import conversation

ROUND: Final = 500
"""Conversations with the same two servers; then their rows are compared."""

SUMMARY_PAIRS: Final = 5_000
"""Conversations between two lines of figures."""

SHOWN: Final = 20
"""Differences that are printed."""


def main() -> int:
    """Run, and print the results.

    Returns:
        0 if nothing differed.
    """
    options = _options()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    print(f"seed {seed}: --seed {seed} repeats the conversations", flush=True)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    report = Report()
    started = time.monotonic()
    random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
    shown_at = 0
    while report.pairs < options.pairs:
        size = min(ROUND, options.pairs - report.pairs)
        conversations = (conversation(random) for _ in range(size))
        with tempfile.TemporaryDirectory() as directory:
            found = trio.run(compare_all, Path(directory), conversations)
        for difference in found.differences[: SHOWN - len(report.differences)]:
            print(_text(difference), flush=True)
        report.add(found)
        if report.pairs >= shown_at:
            print(_summary(report, time.monotonic() - started), flush=True)
            shown_at += SUMMARY_PAIRS
    print(_summary(report, time.monotonic() - started))
    return 1 if report.differences else 0


def _text(difference: Difference) -> str:
    lines = [f"DIFFERENCE: {difference.why}", f"  {difference.conversation!r}"]
    for name, outcome in (("fast path", difference.fast), ("hypercorn", difference.slow)):
        if outcome is not None:
            answer = outcome.answer[:400]
            lines.append(
                f"  {name}: {answer!r}, reset {outcome.reset}, {len(outcome.stored)} stored"
            )
    return "\n".join(lines)


def _summary(report: Report, seconds: float) -> str:
    statuses = ", ".join(f"{status}: {times}" for status, times in sorted(report.statuses.items()))
    return (
        f"{report.pairs} pairs in {seconds:.0f} s, {report.stored} events stored by each, "
        f"{report.rows} rows compared, "
        f"{report.races} races, {len(report.differences)} differences; answers {statuses}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000, help="conversations with each server")
    parser.add_argument("--seed", type=int, help="repeat a run; random by default")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

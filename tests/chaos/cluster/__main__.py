"""`python -m tests.chaos.cluster`: check a cluster for lost and duplicate events under faults."""

import argparse
import secrets
import shutil
import signal
import sys
from types import FrameType
from typing import Final

from tests.chaos.cluster.midnight import run_midnight
from tests.chaos.cluster.report import table
from tests.chaos.cluster.run import Result, run
from tests.cluster.brokers import MISSING
from tests.cluster.node import LIBRARIES

SECONDS: Final = 480.0


def main() -> int:
    """Run, and print the results.

    Returns:
        0 if no event was lost or duplicated and all audits passed, or if there is no Kafka on this
        machine.
    """
    options = _options()
    if not LIBRARIES.exists() or shutil.which("java") is None:
        print(f"skipped: {MISSING}")
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    print(f"seed {seed}: --seed {seed} repeats the traffic and the order of faults", flush=True)
    results: list[Result] = []
    if not options.midnight:
        results.append(run(seed, None if options.short else options.seconds))
        print(table("cluster", results[-1]), flush=True)
    if not options.short:
        results.append(run_midnight(seed))
        print(table("midnight with Kafka away", results[-1]))
    passed = all(result.passed for result in results)
    print(f"{'PASS' if passed else 'FAIL'}  seed {seed}")
    return 0 if passed else 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Exit like Ctrl-C does, so that all started processes are stopped."""
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.cluster", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat a run; random by default")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="duration of the faults")
    parser.add_argument("--short", action="store_true", help="about two minutes, for CI")
    parser.add_argument("--midnight", action="store_true", help="only midnight with Kafka away")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing is kept")

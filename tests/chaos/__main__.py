"""`python -m tests.chaos`: check the server for lost and duplicate events under load and faults."""

import argparse
import secrets
import signal
import sys
from collections.abc import Iterator
from itertools import islice
from types import FrameType
from typing import Final

from tests.chaos.plan import Fault, faults, full_plan, short_plan
from tests.chaos.report import summary, table
from tests.chaos.run import Result, run

STORES: Final = ("chdb", "clickhouse")
LONGEST_SECONDS: Final = 3600.0


def main() -> int:
    """Run, and print the results.

    Returns:
        0 if no event was lost or duplicated and all audits passed.
    """
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    stores = STORES if options.store == "both" else (options.store,)
    seconds = LONGEST_SECONDS if options.seconds is None else options.seconds / len(stores)
    print(f"seed {seed}: --seed {seed} repeats the traffic and the order of faults", flush=True)
    results: list[Result] = []
    for store in stores:
        if options.rounds is not None or options.seconds is not None:
            plan: Iterator[Fault] = islice(faults(store, seed), options.rounds)
        else:
            plan = iter((short_plan if options.short else full_plan)(store, seed))
        results.append(run(store, seed, plan, seconds))
        print(table(results[-1]), flush=True)
    print(summary(results, seed))
    return 0 if all(result.passed for result in results) else 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Exit like Ctrl-C does, so that all started processes are stopped."""
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat a run; random by default")
    parser.add_argument("--store", choices=(*STORES, "both"), default="both")
    parser.add_argument("--rounds", type=int, help="faults for each store, instead of the plan")
    parser.add_argument("--seconds", type=float, help="length of the load, all stores together")
    parser.add_argument("--short", action="store_true", help="about a minute, for CI")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing is kept")

"""Instructions of the processor for each event: `python -m benchmarks.instructions`.

Counts what `fixed_path.py` does, told apart by task, and compares it with the figure recorded in
`instructions.json`. A task's count is what its steps take, of all events, divided by their number.

The recorded figure is a ratio: instructions of an event to those of one round of a program that
uses the interpreter and the libraries in a similar way. So it hardly depends on how Python was
built. Exits with 1 if the ratio is off by more than 3 %, in either direction. After a change that
is meant, `--record` writes the new figure.
"""

import argparse
import gc
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

import httptools
import msgspec
import trio
from pydantic_core import from_json

from benchmarks.callgrind import Counting, count, why_not
from benchmarks.fixed_path import CONNECTIONS, StandingClock, fixed_path, make_repeatable
from benchmarks.fixed_traffic import requests
from ingest.enrichment.geo import NoGeoDatabase

RECORDED: Final = Path(__file__).with_suffix(".json")
TOLERANCE: Final = 0.03

VISITORS: Final = 128
FLUSH_ROWS: Final = 256
"""As in a busy server, a visitor has about two events in a flush."""

WARM_ROUNDS: Final = 32
ROUNDS: Final = 16
"""Each sends one request on each connection. Those that are counted are the last of those before,
because most of what a server looks up has been looked up before."""

CALIBRATION: Final = "calibration"
CALIBRATION_ROUNDS: Final = 1000


class Item(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the calibrating program encodes."""

    name: str
    number: int
    pairs: tuple[tuple[str, str], ...]


class Stepwise(trio.abc.Instrument):
    """Ends a part of the count with each step of a task."""

    def __init__(self, counting: Counting) -> None:
        """Start without tasks."""
        self._counting = counting
        self._names: dict[trio.lowlevel.Task, str] = {}

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count what happened between steps for trio."""
        self._counting.end_part("trio")

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count the step for its task."""
        name = self._names.get(task)
        if name is None:
            name = self._names[task] = _name_of(task)
        self._counting.end_part(name)


def _name_of(task: trio.lowlevel.Task) -> str:
    frame = getattr(task.coro, "cr_frame", None)
    actor = None if frame is None else frame.f_locals.get("actor")
    return task.name.rpartition(".")[2] if actor is None else str(actor.name)


def calibrate(rounds: int) -> int:
    """Do what takes time in the path: calls, small objects, dictionaries, HTTP, JSON, msgpack.

    The libraries' share is the path's, since they are built once for all versions of Python 3.11.
    """
    encoder = msgspec.msgpack.Encoder()
    heads = [request[: request.index(b"\r\n\r\n") + 4] for request in requests(2, 2)]
    counts: dict[str, int] = {}
    size = 0
    for number in range(rounds):
        text = f'{{"n":"pageview","u":"https://site{number % 50}.example/blog","v":{number}}}'
        for head in heads:
            httptools.HttpRequestParser(head).feed_data(head)
        fields: dict[str, Any] = from_json(text.encode())
        chosen = {key: value for key, value in fields.items() if _is_chosen(value)}
        host = chosen["u"].partition("://")[2].partition("/")[0]
        counts[host] = counts.get(host, 0) + 1
        item = Item(host.lower(), fields["v"], tuple(sorted((key, host) for key in chosen)))
        size += len(encoder.encode([item]))
    return size


def _is_chosen(value: object) -> bool:
    return value is not None and (isinstance(value, str) or value is True)


async def drive(counting: Counting, directory: Path) -> None:
    """Warm up, then count."""
    events = requests(WARM_ROUNDS * CONNECTIONS, VISITORS)
    rounds = [events[first : first + CONNECTIONS] for first in range(0, len(events), CONNECTIONS)]
    async with fixed_path(directory, NoGeoDatabase(), FLUSH_ROWS) as path:
        for batch in rounds:
            await path.send(batch)
        calibrate(CALIBRATION_ROUNDS)
        gc.collect()
        gc.freeze()
        counting.start()
        calibrate(CALIBRATION_ROUNDS)
        counting.end_part(CALIBRATION)
        steps = Stepwise(counting)
        trio.lowlevel.add_instrument(steps)
        for batch in rounds[-ROUNDS:]:
            await path.send(batch)
        trio.lowlevel.remove_instrument(steps)


def run_counted() -> None:
    """Run the path under callgrind."""
    make_repeatable()
    with tempfile.TemporaryDirectory() as directory:
        trio.run(drive, Counting(), Path(directory), clock=StandingClock())


def report(parts: Counter[str], recorded: float) -> float:
    """Print the instructions of an event, and return the ratio."""
    unit = parts.pop(CALIBRATION) / CALIBRATION_ROUNDS
    events = ROUNDS * CONNECTIONS
    for name, instructions in parts.most_common():
        print(f"{name:<20}{instructions / events:>12,.0f}")
    total = parts.total() / events
    ratio = total / unit
    print(f"{'an event':<20}{total:>12,.0f}")
    print(f"{'calibration':<20}{unit:>12,.0f}")
    print(f"{'ratio':<20}{ratio:>12.2f}, recorded {recorded:.2f}, {ratio / recorded - 1:+.1%}")
    return ratio


def main() -> int:
    """Count, and compare with the recorded figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the figure of this run")
    parser.add_argument("--counted", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.counted:
        run_counted()
        return 0
    if (reason := why_not()) is not None:
        print(f"instructions are not counted: {reason}")
        return 0
    recorded: float = json.loads(RECORDED.read_text())["ratio"]
    ratio = report(count(["-m", "benchmarks.instructions", "--counted"]), recorded)
    if options.record:
        RECORDED.write_text(json.dumps({"ratio": round(ratio, 2)}) + "\n")
    elif abs(ratio / recorded - 1) > TOLERANCE:
        print(f"The ratio differs by more than {TOLERANCE:.0%}: see benchmarks/instructions.py.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

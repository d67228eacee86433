"""Instructions of the processor for each event: `python -m benchmarks.instructions`.

Counts what `fixed_path.py` does in one process, and `fixed_cluster.py` in a front and a worker,
told apart by task. Compares the sums with the figures recorded in `instructions.json`. A task's
count is what its steps take, of all events, divided by their number.

A recorded figure is a ratio: instructions of an event to those of one round of a program that uses
the interpreter and the libraries in a similar way. So it hardly depends on how Python was built.
Exits with 1 if a ratio is off by more than 3 %, in either direction. After a change that is meant,
`--record` writes the new figures.
"""

import argparse
import gc
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
from pydantic_core import from_json

from benchmarks.callgrind import Counting, count, why_not
from benchmarks.fixed_cluster import Forwarding, Topic, fixed_worker
from benchmarks.fixed_path import (
    CONNECTIONS,
    StandingClock,
    fixed_path,
    make_repeatable,
    storing,
)
from benchmarks.fixed_traffic import requests
from ingest.engine.partitioning import Partitioner
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

PARTITIONS: Final = 8
"""Of the cluster: so few that messages have some events, as in a large cluster."""

CLUSTER_KEY: Final = "k" * 32

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
            size += len(head.decode().split("\r\n"))
        fields: dict[str, Any] = from_json(text.encode())
        chosen = {key: value for key, value in fields.items() if _is_chosen(value)}
        host = chosen["u"].partition("://")[2].partition("/")[0]
        counts[host] = counts.get(host, 0) + 1
        item = Item(host.lower(), fields["v"], tuple(sorted((key, host) for key in chosen)))
        size += len(encoder.encode([item]))
    return size


def _is_chosen(value: object) -> bool:
    return value is not None and (isinstance(value, str) or value is True)


Rounds = Sequence[Sequence[bytes]]


def rounds_of_requests() -> Rounds:
    """Return the requests of all rounds."""
    events = requests(WARM_ROUNDS * CONNECTIONS, VISITORS)
    return [events[first : first + CONNECTIONS] for first in range(0, len(events), CONNECTIONS)]


@contextmanager
def stepwise(counting: Counting) -> Iterator[None]:
    """Count the calibrating program, and then the block by task."""
    calibrate(CALIBRATION_ROUNDS)
    gc.collect()
    gc.freeze()
    counting.start()
    calibrate(CALIBRATION_ROUNDS)
    counting.end_part(CALIBRATION)
    steps = Stepwise(counting)
    trio.lowlevel.add_instrument(steps)
    yield
    trio.lowlevel.remove_instrument(steps)


async def drive_all(counting: Counting, clock: StandingClock, directory: Path) -> None:
    """Warm up one process, then count."""
    rounds = rounds_of_requests()
    async with fixed_path(directory, NoGeoDatabase(), storing(FLUSH_ROWS)) as path:
        for batch in rounds:
            await path.send(batch)
        with stepwise(counting):
            for batch in rounds[-ROUNDS:]:
                await path.send(batch)


async def drive_front(counting: Counting, clock: StandingClock, directory: Path) -> None:
    """Warm up a front, then count."""
    await _send(Topic(), counting, clock, directory)


async def drive_worker(counting: Counting, clock: StandingClock, directory: Path) -> None:
    """Warm up a worker with what a front has sent, then count."""
    topic = Topic()
    sent = await _send(topic, None, clock, directory)
    messages = list(topic.messages)
    warm = len(messages) - sum(sent)
    topic.messages.clear()
    async with fixed_worker(topic, clock, PARTITIONS, counting.end_part) as worker:
        topic.messages.extend(messages[:warm])
        await worker.receive()
        await worker.flush()
        with stepwise(counting):
            for number in sent:
                topic.messages.extend(messages[warm : warm + number])
                warm += number
                await worker.receive()
            await worker.flush()


async def _send(
    topic: Topic, counting: Counting | None, clock: StandingClock, directory: Path
) -> list[int]:
    """Send all requests to a front.

    Returns:
        How many messages each round gave that is counted.
    """
    rounds = rounds_of_requests()
    end_part = None if counting is None else counting.end_part
    forwarding = Forwarding(topic, clock, PARTITIONS, end_part or (lambda name: None))
    sent: list[int] = []
    async with fixed_path(
        directory,
        NoGeoDatabase(),
        forwarding.make,
        partition_of=Partitioner(CLUSTER_KEY, PARTITIONS).partition_of,
        take_on=forwarding.take_on,
    ) as path:
        for batch in rounds:
            await path.send(batch)
        with nullcontext() if counting is None else stepwise(counting):
            for batch in rounds[-ROUNDS:]:
                before = len(topic.messages)
                await path.send(batch)
                sent.append(len(topic.messages) - before)
    return sent


PATHS: Final = {"all": drive_all, "front": drive_front, "worker": drive_worker}
"""What is counted, by role."""


def run_counted(role: str) -> None:
    """Run a path under callgrind."""
    make_repeatable()
    clock = StandingClock()
    with tempfile.TemporaryDirectory() as directory:
        trio.run(PATHS[role], Counting(), clock, Path(directory), clock=clock)


def report(role: str, parts: Counter[str], recorded: float) -> float:
    """Print the instructions of an event, and return the ratio."""
    unit = parts.pop(CALIBRATION) / CALIBRATION_ROUNDS
    events = ROUNDS * CONNECTIONS
    print(f"role {role}")
    for name, instructions in parts.most_common():
        print(f"{name:<20}{instructions / events:>12,.0f}")
    total = parts.total() / events
    ratio = total / unit
    print(f"{'an event':<20}{total:>12,.0f}")
    print(f"{'calibration':<20}{unit:>12,.0f}")
    print(f"{'ratio':<20}{ratio:>12.2f}, recorded {recorded:.2f}, {ratio / recorded - 1:+.1%}\n")
    return ratio


def main() -> int:
    """Count, and compare with the recorded figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the figures of this run")
    parser.add_argument("--role", action="append", choices=PATHS, help="count only this one")
    parser.add_argument("--counted", choices=PATHS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.counted:
        run_counted(options.counted)
        return 0
    if (reason := why_not()) is not None:
        print(f"instructions are not counted: {reason}")
        return 0
    recorded: dict[str, float] = json.loads(RECORDED.read_text())
    found = {
        role: report(
            role, count(["-m", "benchmarks.instructions", "--counted", role]), recorded[role]
        )
        for role in options.role or PATHS
    }
    if options.record:
        rounded = {role: round(ratio, 2) for role, ratio in found.items()}
        RECORDED.write_text(json.dumps(recorded | rounded) + "\n")
    elif any(abs(ratio / recorded[role] - 1) > TOLERANCE for role, ratio in found.items()):
        print(f"A ratio differs by more than {TOLERANCE:.0%}: see benchmarks/instructions.py.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

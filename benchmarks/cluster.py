"""CPU time per event of a cluster, beside one process: `python -m benchmarks.cluster`.

Three brokers, ClickHouse, a front, a worker and the load generator (wrk, with the traffic of
`traffic.lua`) share the machine. Then role `all` gets the same traffic at the same rate, with the
same ClickHouse. Then the worker of a partition with many open visits is killed. Prints tables, and
writes them with the machine's description to `benchmarks/results/cluster.json`.

A machine with two cores takes a small part of the events for which a cluster is made. So there are
two runs of the cluster. In the first one, the front spreads the events over as many partitions as
usual, into small messages. In the second one, there are few partitions. Each has as many events a
second as in a large cluster, and so the worker and ClickHouse have batches of the same size.
"""

import argparse
import json
import math
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from benchmarks.members import Members, Servers, folding, owned, until
from benchmarks.recovery import FLUSH_SECONDS, OUTAGE_EVENTS, Recovery, measure_recovery
from benchmarks.servers import ROOT, sluice
from benchmarks.throughput import RESULTS, SETTLE_SECONDS, Load, machine, wrk
from tests.cluster.brokers import MISSING
from tests.cluster.node import LIBRARIES

RATES: Final = (40_000, 200_000, 1_000_000)
"""Events per second for which the number of cores is computed."""

BUSY: Final = 0.6
"""Share of a core that may be in use."""

QUICK_SECONDS: Final = 0.02
"""Interval of looking for what is over soon."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What events cost.

    Attributes:
        name: Of the setup.
        rate: Accepted events per second.
        p50: Median latency in milliseconds.
        p99: 99th percentile in milliseconds.
        cpu: CPU time per event in microseconds, all threads, by process. Counted from the first
            event until all are stored.
    """

    name: str
    rate: float
    p50: float
    p99: float
    cpu: dict[str, float]


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure.

    Attributes:
        seconds: Of load for each figure.
        warm: Seconds of load before, for the brokers.
        connections: Of the load generator.
        partitions: Of the events, in the first run.
        few: Partitions in the second run.
        visits: Open visits of the partition whose worker is killed; 0 to leave this out.
        replayed: Its stored events behind the checkpoint.
    """

    seconds: float
    warm: float
    connections: int
    partitions: int
    few: int
    visits: int
    replayed: int


def measure(
    name: str,
    load: Callable[[], Load],
    seconds: float,
    accepted: Callable[[], float],
    is_stored: Callable[[], object],
    processes: Mapping[str, Callable[[], float]],
) -> Cost:
    """Measure the CPU time from the first event until all are stored."""
    events, before = accepted(), {each: cpu() for each, cpu in processes.items()}
    found = load()
    until(is_stored)
    events = accepted() - events
    used = {each: (cpu() - before[each]) / events * 1e6 for each, cpu in processes.items()}
    return Cost(name, events / seconds, found.p50, found.p99, used)


def measure_cluster(
    servers: Servers, partitions: int, warm: float, options: Options
) -> tuple[Cost, float]:
    """Measure a front, a worker, the brokers and the store.

    Args:
        servers: The brokers and the store.
        partitions: Of the events.
        warm: Seconds of load before.
        options: How to measure.

    Returns:
        The cost, and the seconds that the worker took to take all partitions over.
    """
    members = Members(servers, f"cluster{partitions}", partitions)
    with members.worker() as worker:
        until(lambda: owned(worker), QUICK_SECONDS)
        began = time.monotonic()
        until(lambda: len(folding(worker)) == partitions, QUICK_SECONDS)
        takeover = time.monotonic() - began
        with members.front() as front:

            def is_stored() -> bool:
                waiting = front.metrics()["sluice_forwarder_backlog_events"]
                return not waiting and members.lag() == 0

            wrk(front.port, warm, connections=options.connections)
            until(is_stored)
            cost = measure(
                f"cluster, {partitions} partitions",
                lambda: wrk(front.port, options.seconds, connections=options.connections),
                options.seconds,
                front.accepted,
                is_stored,
                {
                    "front": front.cpu_seconds,
                    "worker": worker.cpu_seconds,
                    "brokers": servers.broker_seconds,
                    "ClickHouse": servers.store_seconds,
                },
            )
    return cost, takeover


def measure_all(servers: Servers, options: Options, rate: float) -> Iterator[Cost]:
    """Measure role `all` at a rate, and as fast as it can."""
    url = servers.clickhouse.url("single")
    with sluice(servers.directory / "all", None, CLICKHOUSE_URL=url) as server:
        wrk(server.port, SETTLE_SECONDS, connections=options.connections)
        for name, wait in (
            ("all, same rate", options.connections / rate * 1000),
            ("all, full load", 0.0),
        ):
            yield measure(
                name,
                lambda wait=wait: wrk(server.port, options.seconds, wait, options.connections),  # type: ignore[misc]
                options.seconds,
                server.accepted,
                lambda: not server.metrics()["sluice_journal_backlog_events"],
                {"all": server.cpu_seconds, "ClickHouse": servers.store_seconds},
            )


def cost_table(costs: list[Cost]) -> str:
    """Format the costs as text."""
    names = ("front", "worker", "brokers", "all", "ClickHouse")
    rows = [f"{'µs of CPU per event':<24}{'events/s':>9}{'p50 ms':>8}{'p99 ms':>8}"]
    rows[0] += "".join(f"{name:>12}" for name in names)
    for cost in costs:
        text = f"{cost.name:<24}{cost.rate:>9,.0f}{cost.p50:>8.1f}{cost.p99:>8.1f}"
        text += "".join(
            f"{cost.cpu[name]:>12.1f}" if name in cost.cpu else " " * 12 for name in names
        )
        rows.append(text.rstrip())
    return "\n".join([*rows, ratios(costs)])


def ratios(costs: list[Cost]) -> str:
    """Compare the roles with role `all` at the same rate, as text."""
    many, few, single = (cost.cpu for cost in costs[:3])
    front, worker = many["front"] / single["all"], few["worker"] / single["all"]
    return f"front/all {front:.2f}, worker/all {worker:.2f} (few partitions), at the same rate"


def scale_table(many: Mapping[str, float], few: Mapping[str, float]) -> str:
    """Format how many cores a rate takes, as text.

    Args:
        many: CPU time per event in microseconds, by process, in the first run.
        few: The same in the second run.
    """
    cpu = {**many, "worker": few["worker"], "ClickHouse": few["ClickHouse"]}
    names = ("front", "worker", "brokers", "ClickHouse")
    each = ", ".join(f"{name} {1e6 / cpu[name]:,.0f}" for name in names[:2])
    rows = [f"events/s of a core: {each}"]
    rows.append(f"{f'cores at {BUSY:.0%} load':<20}" + "".join(f"{name:>12}" for name in names))
    for rate in RATES:
        cores = [math.ceil(rate * cpu[name] / 1e6 / BUSY) for name in names]
        rows.append(f"{rate:>12,} ev/s   " + "".join(f"{number:>12,}" for number in cores))
    return "\n".join(rows)


def recovery_table(found: Recovery) -> str:
    """Format the recovery as text."""
    return (
        f"a partition with {found.visits:,} open visits, its worker killed: stored again after "
        f"{found.seconds:.1f} s\n"
        f"session timeout {found.session:.1f} s, load {found.load:.1f} s, replay of "
        f"{found.replayed:,} events and storing of {OUTAGE_EVENTS:,} {found.replay:.1f} s "
        f"(flushes of {FLUSH_SECONDS} s)"
    )


def run(directory: Path, options: Options) -> tuple[str, dict[str, Any]]:
    """Measure everything.

    Returns:
        The tables as text, which are printed as they come, and all figures.
    """
    with Servers(directory) as servers:
        many, takeover = measure_cluster(servers, options.partitions, options.warm, options)
        few, _ = measure_cluster(servers, options.few, SETTLE_SECONDS, options)
        costs = [many, few, *measure_all(servers, options, many.rate)]
        tables = [
            cost_table(costs),
            scale_table(many.cpu, few.cpu),
            f"a worker takes {options.partitions} partitions over in {takeover:.1f} s",
        ]
        print(*tables, sep="\n\n", flush=True)
        figures: dict[str, Any] = {
            "costs": [asdict(cost) for cost in costs],
            "takeover_seconds": takeover,
        }
        if options.visits:
            recovery = measure_recovery(servers, options.visits, options.replayed)
            tables.append(recovery_table(recovery))
            print(f"\n{tables[-1]}")
            figures["recovery"] = asdict(recovery)
    return "\n\n".join(tables), figures


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Exit like Ctrl-C does, so that all started processes are stopped."""
    raise KeyboardInterrupt


def main() -> None:
    """Measure everything, and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of load for each figure")
    parser.add_argument("--warm", type=float, default=60, help="seconds of load for the brokers")
    parser.add_argument("--connections", type=int, default=512, help="of the load generator")
    parser.add_argument("--partitions", type=int, default=64, help="in the first run")
    parser.add_argument("--few", type=int, default=8, help="partitions in the second run")
    parser.add_argument("--visits", type=int, default=60_000, help="open at the kill; 0: no kill")
    parser.add_argument("--replayed", type=int, default=60_000, help="events at the kill")
    options = Options(**vars(parser.parse_args()))
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: benchmarks/provide_tools installs it on Debian")
    if not LIBRARIES.exists() or shutil.which("java") is None:
        sys.exit(MISSING)
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(dir=ROOT, ignore_cleanup_errors=True) as name:
        text, figures = run(Path(name), options)
    RESULTS.mkdir(exist_ok=True)
    document = {"machine": machine(), "options": asdict(options), **figures, "table": text}
    (RESULTS / "cluster.json").write_text(json.dumps(document, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()

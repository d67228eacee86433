"""What a running process takes of the machine."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """A process at one moment, and its answers since the moment before.

    Attributes:
        megabytes: Resident memory.
        descriptors: Open files and sockets.
        threads: Number of threads.
        log_bytes: Size of its log.
        milliseconds: Times to the answers of single events.
    """

    megabytes: int
    descriptors: int
    threads: int
    log_bytes: int
    milliseconds: tuple[float, ...] = ()


def usage_of(pid: int, log: Path, milliseconds: Sequence[float]) -> Usage:
    """Measure a process.

    Raises:
        OSError: It has ended.
    """
    process = Path("/proc", str(pid))
    status = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    return Usage(
        megabytes=int(status["VmRSS"].split()[0]) // 1024,
        descriptors=sum(1 for _ in (process / "fd").iterdir()),
        threads=int(status["Threads"]),
        log_bytes=log.stat().st_size,
        milliseconds=tuple(milliseconds),
    )


def usage_table(samples: Sequence[Usage]) -> Iterator[str]:
    """Compare the first tenth of a run with its last tenth, line by line; medians of each.

    Args:
        samples: At regular intervals.
    """
    part = max(1, len(samples) // 10)
    first, last = samples[:part], samples[-part:]
    yield f"{'':<28}{'start':>12}{'end':>12}{'most':>12}"
    for name, attribute in (
        ("memory, MB", "megabytes"),
        ("descriptors", "descriptors"),
        ("threads", "threads"),
        ("log, bytes", "log_bytes"),
    ):
        begun, ended = (
            statistics.median(getattr(sample, attribute) for sample in each)
            for each in (first, last)
        )
        most = max(getattr(sample, attribute) for sample in samples)
        yield f"{name:<28}{begun:>12,.0f}{ended:>12,.0f}{most:>12,}"
    for name, share in (("answer, median, ms", 0.5), ("answer, 99th percentile, ms", 0.99)):
        begun, ended, whole = (_quantile(each, share) for each in (first, last, samples))
        yield f"{name:<28}{begun:>12.1f}{ended:>12.1f}{whole:>12.1f}"


def _quantile(samples: Sequence[Usage], share: float) -> float:
    times = sorted(time for sample in samples for time in sample.milliseconds)
    return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0

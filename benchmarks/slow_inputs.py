"""Searches for input that takes long for its length: `python -m benchmarks.slow_inputs [WORD…]`.

For each parser that reads what clients send, texts are made of a repeated unit. Units that take
more time are kept and changed further. Prints the worst unit of each parser, and its time. The
search starts with the same random numbers each time; the worst units that it has found are kept in
`tests/slow_units.py`, where it begins.
"""

import argparse
import random
import time
from collections.abc import Iterable

from tests.slow_inputs import PARSERS, Parser

SHARES = (1, 12)
"""The largest input, and a part of it, since limits refuse much of the largest ones."""

FAMILY = 12
"""Units that are kept of each generation."""


def cost(parser: Parser, unit: bytes) -> float:
    """Return the seconds of processor time for an input of a unit, best of three."""
    return max(best_time(parser, parser.fill(unit, share)) for share in SHARES)


def best_time(parser: Parser, data: bytes) -> float:
    """Return the seconds of processor time for an input, best of three."""
    best = float("inf")
    for _ in range(3):
        parser.forget()
        began = time.thread_time()
        parser.run(data)
        best = min(best, time.thread_time() - began)
    return best


def changed(unit: bytes, parser: Parser, chance: random.Random) -> bytes:
    """Return a unit with one change: a fragment inserted, removed, doubled, or a byte replaced."""
    start = chance.randrange(len(unit) + 1)
    end = min(len(unit), start + chance.randrange(1, 8))
    match chance.randrange(5):
        case 0 | 1:
            return unit[:start] + chance.choice(parser.fragments) + unit[start:]
        case 2:
            return unit[:start] + unit[end:] or unit
        case 3:
            return unit[:end] + unit[start:end] + unit[end:]
        case _:
            return unit[:start] + bytes([chance.randrange(32, 127)]) + unit[start + 1 :]


def search(parser: Parser, seconds: float, chance: random.Random) -> tuple[bytes, float, int]:
    """Search for the slowest unit.

    Returns:
        The unit, its seconds, and how many were tried.
    """
    units: Iterable[bytes] = (*parser.worst, *parser.fragments)
    best = {unit: cost(parser, unit) for unit in units}
    tried = len(best)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        unit = changed(chance.choice(list(best)), parser, chance)
        if len(unit) > parser.longest_unit or unit in best:
            continue
        tried += 1
        best[unit] = cost(parser, unit)
        if len(best) > 2 * FAMILY:
            best = dict(sorted(best.items(), key=lambda each: -each[1])[:FAMILY])
    unit = max(best, key=lambda each: best[each])
    return unit, cost(parser, unit), tried


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("words", nargs="*", help="search only parsers with these words in the name")
    parser.add_argument("--seconds", type=float, default=10, help="for each parser")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{'parser':<28}{'bytes':>10}{'tried':>8}{'ms':>8}  worst unit")
    for each in PARSERS:
        if not all(word in each.name for word in given.words):
            continue
        chance = random.Random(given.seed)  # noqa: S311 - the same search each time
        unit, seconds, tried = search(each, given.seconds, chance)
        print(
            f"{each.name:<28}{each.size:>10,}{tried:>8,}{seconds * 1e3:>8.2f}  {unit!r}", flush=True
        )


if __name__ == "__main__":
    main()

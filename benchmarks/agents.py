"""Compares the parsing of user agents with another database.

`python -m benchmarks.agents FILE` reads a file of JSON lines, plain or compressed with gzip. Each
line has a `kind` (of device or program), the agent as `ua`, and the expected result: either
`"bot": true`, or the five fields of a row (`browser`, `browser_version`, `operating_system`,
`operating_system_version`, `screen_size`).

It prints shares for two halves of the file, which are split at random but the same each time, so
that rules can be written with one half and measured with the other. It then prints the largest
classes of disagreement in the first half, and the time for an agent that is not cached.
"""

import argparse
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import thread_time
from typing import Any, Final

from ingest.enrichment.user_agent import MAX_LENGTH, Client, describe, forget

FIELDS: Final = {
    "browser": "browser",
    "version": "browser_version",
    "system": "operating_system",
    "its version": "operating_system_version",
    "class": "screen_size",
}
ROUNDS: Final = 5

Expected = dict[str, Any]
Pair = tuple[Expected, Client]


def main() -> None:
    """Compare and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--classes", type=int, default=15, help="classes shown for each field")
    parser.add_argument("--examples", type=int, default=0, help="agents shown for each class")
    parser.add_argument("--kinds", action="store_true", help="shares for each kind, too")
    arguments = parser.parse_args()
    pairs = [(expected, describe(expected["ua"])) for expected in _read(arguments.file)]
    halves = [
        [pair for pair in pairs if zlib.crc32(pair[0]["ua"].encode()) & 1 == half]
        for half in (0, 1)
    ]
    print(_line("", ["agents", "people kept", "bots dropped", *FIELDS]))
    for name, part in (("first half", halves[0]), ("second half", halves[1]), ("all", pairs)):
        print(_line(name, shares(part)))
    if arguments.kinds:
        for kind in sorted({expected["kind"] for expected, _ in pairs}):
            print(_line(kind, shares([pair for pair in pairs if pair[0]["kind"] == kind])))
    for title, disagreement in _disagreements().items():
        classes: dict[str, list[str]] = {}
        for pair in halves[0]:
            found = disagreement(pair)
            if found is not None:
                classes.setdefault(found, []).append(pair[0]["ua"])
        print(f"\n{title}: {sum(map(len, classes.values()))}")
        for name in sorted(classes, key=lambda name: -len(classes[name]))[: arguments.classes]:
            print(f"  {len(classes[name]):5}  {name}")
            for agent in classes[name][: arguments.examples]:
                print(f"           {agent}")
    _print_times([expected["ua"] for expected, _ in pairs])


def _read(path: Path) -> Iterator[Expected]:
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    return map(json.loads, content.splitlines())


def shares(pairs: Sequence[Pair]) -> list[str]:
    """Return the number of agents, then percentages; for fields, of visitors that are kept."""
    people = [pair for pair in pairs if not pair[0].get("bot")]
    bots = [client for expected, client in pairs if expected.get("bot")]
    kept = [pair for pair in people if not pair[1].is_bot]
    return [
        str(len(pairs)),
        _share(len(kept), len(people)),
        _share(sum(client.is_bot for client in bots), len(bots)),
        *(
            _share(
                sum(expected[key] == getattr(client.device, key) for expected, client in kept),
                len(kept),
            )
            for key in FIELDS.values()
        ),
    ]


def _disagreements() -> dict[str, Callable[[Pair], str | None]]:
    def person_dropped(pair: Pair) -> str | None:
        expected, client = pair
        return expected["kind"] if client.is_bot and not expected.get("bot") else None

    def bot_kept(pair: Pair) -> str | None:
        expected, client = pair
        return "bot" if expected.get("bot") and not client.is_bot else None

    def field(key: str) -> Callable[[Pair], str | None]:
        def differs(pair: Pair) -> str | None:
            expected, client = pair
            if client.is_bot or expected.get("bot"):
                return None
            found = getattr(client.device, key)
            if found == expected[key]:
                return None
            # Group versions by name; otherwise each version would be a separate class.
            name = key.removesuffix("_version")
            if name == key:
                return f"{expected['kind']}: {expected[key] or '-'}, not {found or '-'}"
            what = "none" if not found else "one" if not expected[key] else "another"
            return f"{expected[name] or '-'}: {what}"

        return differs

    return {
        "People dropped": person_dropped,
        "Bots kept": bot_kept,
        **{title.capitalize(): field(key) for title, key in FIELDS.items()},
    }


def _print_times(agents: Sequence[str]) -> None:
    """Print the CPU time of agents that are not cached: the file's, and hostile ones."""
    describe(agents[0])
    times = sorted(_times(agents))
    slowest = max(
        min(_times([hostile])[0] for _ in range(ROUNDS))
        for hostile in ((part * MAX_LENGTH)[:MAX_LENGTH] for part in _hostile_parts(agents))
    )
    median, late = times[len(times) // 2], times[len(times) * 99 // 100]
    print(f"\nCold, µs: median {median:.0f}, 99 % {late:.0f}; hostile, at most {slowest:.0f}")


def _hostile_parts(agents: Sequence[str]) -> Iterator[str]:
    yield from (
        "Bot",
        "HTC ",
        "; Android 1",
        "Mozilla/5.0 (",
        "a/1.",
        "é",
        "\U0001f600",
        "9",
        " ",
        "-",
        "iPad ",
    )
    yield from agents[:: max(1, len(agents) // 500)]


def _times(agents: Iterable[str]) -> list[float]:
    times = []
    for agent in agents:
        forget()
        start = thread_time()
        describe(agent)
        times.append((thread_time() - start) * 1e6)
    return times


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "-"


def _line(name: str, columns: Iterable[str]) -> str:
    return f"{name:22}" + "".join(f"{column:>14}" for column in columns)


if __name__ == "__main__":
    main()

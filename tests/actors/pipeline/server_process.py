"""What a server does with a state directory, over a store in memory."""

import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.clock.wall_clock import Clock
from actors.keepers.salt_keeper import load_salts
from actors.pipeline.front_half import FrontHalf
from actors.pipeline.storing import FlushLimits, Storing
from actors.pipeline.topology import Collector
from ingest.enrichment.geo import NoGeoDatabase
from ingest.pipeline.reference import Reference
from ingest.rows.schema import TABLES, Table
from ingest.server.durability import open_kept_events
from ingest.server.state_files import StateFiles
from ingest.settings import Settings
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site_file import read_sites
from tests.actors.fakes import FakeStore

RECORDED = Path(__file__).parent.parent / "log" / "recorded" / "version-2"
EXPECTED: dict[str, Any] = json.loads((RECORDED / "expected.json").read_text())
CLOCK: int = EXPECTED["clock"]

Inserts = list[dict[str, Any]]


class RecordingStore(FakeStore):
    """A store that notes what it is given, the counters left out."""

    def __init__(self) -> None:
        super().__init__()
        self.given: Inserts = []

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        if table.name != "ingest_counters":
            self.given.append(as_json({"table": table.name, "token": token, "rows": rows}))
        await super().insert(table, rows, token)

    def copy(self) -> "RecordingStore":
        """Another one with the same rows."""
        other = RecordingStore()
        other.rows = {table: list(rows) for table, rows in self.rows.items()}
        other.tokens = list(self.tokens)
        return other


def as_json(value: Any) -> Any:
    """Rows as JSON has them: lists for tuples, texts for decimals."""
    return json.loads(json.dumps(value, default=str))


def fill(store: FakeStore, inserts: Inserts) -> None:
    """Let a store have these already."""
    for insert in inserts:
        table = TABLES[insert["table"]]
        store._keep(table, [_row(table, row) for row in insert["rows"]], insert["token"])


def _row(table: Table, row: list[Any]) -> tuple[Any, ...]:
    return tuple(
        tuple(value)
        if isinstance(value, list)
        else Decimal(value)
        if "Decimal" in column.type and value is not None
        else value
        for column, value in zip(table.inserted, row, strict=True)
    )


def tables_of(store: FakeStore) -> dict[str, Any]:
    """All events, and each visit's state once the rows that cancel each other are gone."""
    return {
        "events_v2": in_order(as_json(store.rows["events_v2"])),
        "sessions_v2": in_order(visits_of(store)),
    }


def visits_of(store: FakeStore) -> list[list[Any]]:
    """Each visit's state; fails if rows cancel one that is not there, or a visit has two."""
    states: Counter[str] = Counter()
    for row in store.rows["sessions_v2"]:
        states[json.dumps(as_json((row[0], 1, *row[2:])))] += row[1]
    assert set(states.values()) <= {0, 1}
    visits: list[list[Any]] = [json.loads(state) for state, sign in states.items() if sign]
    ids = Counter(visit[0] for visit in visits)
    assert set(ids.values()) <= {1}
    return visits


def in_order(rows: Iterable[list[Any]]) -> list[list[Any]]:
    return sorted(rows, key=json.dumps)


def settings_of(state: Path, **changes: Any) -> Settings:
    settings = Settings()
    return settings.model_copy(update={"state_dir": state, **changes})


@asynccontextmanager
async def a_process(
    state: Path, store: FakeStore, *, seconds: float = 20, start: float = CLOCK, **changes: Any
) -> AsyncIterator[Collector]:
    """Run a server's pipeline over a state directory, and drain it at the end.

    Args:
        state: The directory.
        store: Takes the rows.
        seconds: How long the drain may take.
        start: The time at the start, Unix seconds.
        changes: Settings.
    """
    settings, files, clock = settings_of(state, **changes), StateFiles(state), Clock(start)
    with open_kept_events(settings, files, clock) as kept:
        front = FrontHalf(
            Reference(
                read_sites(RECORDED / "sites.toml"),
                NoGeoDatabase(),
                load_salts(files.salts, clock.now()),
                RateLimiter(),
            ),
            clock,
            kept.log,
            files.dead_letters,
            wall=clock.now,
        )
        storing = Storing(
            kept.log,
            kept.state,
            store,
            clock,
            front.verdicts,
            front.letters,
            front.metrics,
            FlushLimits(settings.flush_rows, settings.flush_seconds),
            checkpoints=kept.checkpoints,
            predecessor=kept.predecessor,
        )
        collector = Collector(front, storing)
        async with trio.open_nursery() as nursery:
            await nursery.start(collector.run)
            try:
                yield collector
            finally:
                collector.drain(seconds)


def storing_of(collector: Collector) -> Storing:
    assert isinstance(collector.back, Storing)
    return collector.back


async def all_stored(collector: Collector) -> None:
    """Wait until the store has everything, letters that are marked included."""
    with trio.fail_after(300):
        while collector.backlog or collector.letters.to_redrive():  # noqa: ASYNC110
            await trio.sleep(0.5)


class Moments:
    """A state directory and a store as they were at each moment of a process.

    Attributes:
        acknowledged: Pages that were, so far.
        found: Files, store, and the pages that were acknowledged by then.
    """

    def __init__(self, state: Path, store: RecordingStore) -> None:
        self._state = state
        self._store = store
        self.acknowledged: list[str] = []
        self.found: list[tuple[dict[str, bytes], RecordingStore, list[str]]] = []

    def look(self) -> None:
        """Note the moment if anything has changed since the last one."""
        files = tree(self._state)
        if self.found:
            before, store, _ = self.found[-1]
            if (before, store.tokens) == (files, self._store.tokens):
                # The later one has more to prove.
                self.found[-1] = before, store, list(self.acknowledged)
                return
        self.found.append((files, self._store.copy(), list(self.acknowledged)))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look before and after each change of a file's name or the store, and each write."""
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in (
                (os, "pwrite"),
                (Path, "unlink"),
                (Path, "rename"),
                (Path, "replace"),
                (RecordingStore, "_keep"),
            ):
                patch.setattr(owner, name, self._watched(getattr(owner, name)))
            yield

    def _watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            in_loop = trio.lowlevel.in_trio_run()
            if in_loop:
                self.look()
            result = function(*arguments, **options)
            if in_loop:
                self.look()
            return result

        return call


def tree(directory: Path) -> dict[str, bytes]:
    """All files of a directory with their contents."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def grow(directory: Path, files: dict[str, bytes]) -> Path:
    """Make a directory with these files."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory

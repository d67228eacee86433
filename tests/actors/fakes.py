"""What stands in for a store, for the writer of letters, and for whoever traces."""

from collections.abc import Sequence
from typing import Any

import trio

from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_queue import FileChange
from actors.stores.store import RowsRefused, StoreUnavailable
from actors.supervision.traces import Outcome
from ingest.rows.batch import Insert, Trigger
from ingest.rows.schema import Table
from ingest.rows.servers import SeenServer, Server


class FakeStore:
    """Keeps rows by table, each token once, as a store with deduplication does.

    The tables in `forgetful` know no tokens, and tell instead whether they have all rows of an
    insert. Of counters they cannot tell.
    """

    name = "fake"
    findings: tuple[str, ...] = ()
    older_names = False

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[Any, ...]]] = {}
        self.tokens: list[str] = []
        self.attempts: list[tuple[float, str, str]] = []
        self.outages: list[Exception] = []
        self.bad_rows: set[object] = set()
        self.lands_before_failing = False
        self.seconds = 0.0
        self.hangs = False
        self.opened = 0
        self.closed = False
        self.forgetful: set[str] = set()
        self.by_plausible = False
        self.created: list[str] = []

    async def open(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.outages:
            raise self.outages.pop(0)
        self.opened += 1

    async def made_by_plausible(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self.by_plausible

    async def create_imported(self, tables: Sequence[Table]) -> None:
        await trio.lowlevel.checkpoint()
        self.created += [table.name for table in tables]

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        self.attempts.append((trio.current_time(), table.name, token))
        await trio.sleep(self.seconds)
        if self.hangs:
            await trio.sleep_forever()
        if self.outages:
            if self.lands_before_failing:
                self._keep(table, rows, token)
            raise self.outages.pop(0)
        bad = [row for row in rows if row[0] in self.bad_rows]
        if bad:
            raise RowsRefused(f"row {bad[0][0]} does not fit")
        self._keep(table, rows, token)

    def _keep(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        if table.name in self.forgetful:
            token = f"{token} {len(self.tokens)}"
        if token not in self.tokens:
            self.tokens.append(token)
            self.rows.setdefault(table.name, []).extend(rows)

    async def missing(
        self, table: Table, rows: Sequence[tuple[Any, ...]]
    ) -> Sequence[tuple[Any, ...]] | None:
        await trio.lowlevel.checkpoint()
        if table.name not in self.forgetful:
            return None
        kept = self.rows.get(table.name, [])
        return [] if table.name == "ingest_counters" or all(row in kept for row in rows) else rows

    async def query(self, sql: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        return [sql]

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()

    async def beat(self, server: Server) -> None:
        await trio.lowlevel.checkpoint()

    async def servers(self) -> Sequence[SeenServer] | None:
        await trio.lowlevel.checkpoint()
        return None

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed = True


def an_outage() -> StoreUnavailable:
    return StoreUnavailable("connection refused")


class Told:
    """Takes what is traced."""

    def __init__(self) -> None:
        self.inserts: list[tuple[str, Trigger | None, Outcome, float]] = []
        self.restarts: list[str] = []

    def inserted(
        self, insert: Insert, trigger: Trigger | None, outcome: Outcome, seconds: float
    ) -> None:
        self.inserts.append((insert.token, trigger, outcome, seconds))

    def restarted(self, actor: str) -> None:
        self.restarts.append(actor)


class LettersAtOnce(DeadLetters):
    """Letters that need no writer: each is on the disk as soon as it is queued."""

    def keep(self, *arguments: Any, **keywords: Any) -> bool:
        kept = super().keep(*arguments, **keywords)
        self.flush()
        return kept

    def _change(self, change: FileChange) -> None:
        super()._change(change)
        self.flush()

    def look(self) -> None:
        """Take over what others have changed."""
        self.load_at_once()

"""Turns counted verdicts into `ingest_counters` rows."""

import trio

from actors.clock.wall_clock import Clock
from actors.supervision.actor import Actor
from ingest.fold.counts import Counters
from ingest.pipeline.reference import Reference
from ingest.rows.batch import Flush, Insert

FLUSH_SECONDS = 10.0
"""As often as Plausible's (spec/schema.md §3)."""


class Tally(Actor):
    """The actor that owns the counter rows taken but not yet handed to the writer.

    Receives nothing; sends flushes to the writer: every ten seconds the buckets that are over, and
    all of them once it is told to `finish`. A restart sends what the last run could not.
    """

    name = "tally"

    def __init__(
        self,
        counters: Counters,
        outlet: trio.MemorySendChannel[Flush],
        reference: Reference,
        clock: Clock,
        batch_prefix: str,
    ) -> None:
        """Own the channel half until `close`; the counters are shared with those who count."""
        self._counters = counters
        self._outlet = outlet
        self._reference = reference
        self._clock = clock
        self._batch_prefix = batch_prefix
        self._number = 0
        self._leaving: Insert | None = None
        self._finish = trio.Event()

    def finish(self) -> None:
        """Have the rest sent, now that there is nothing more to count."""
        self._finish.set()

    async def run(self) -> None:
        """Send counters until told to finish, then the rest."""
        finished = False
        while not finished:
            with trio.move_on_after(FLUSH_SECONDS):
                await self._finish.wait()
            finished = self._finish.is_set()
            await self._send(everything=finished)

    async def _send(self, *, everything: bool) -> None:
        if self._leaving is not None:
            await self._hand_over(self._leaving)
        self.take(everything=everything)
        if self._leaving is not None:
            await self._hand_over(self._leaving)

    async def _hand_over(self, insert: Insert) -> None:
        await self._outlet.send((insert,))
        self._leaving = None

    def take(self, *, everything: bool = True) -> Flush:
        """Take rows out of the counters.

        Returns:
            What has not been handed over, for a shutdown that cannot wait any longer.
        """
        rows = self._counters.take(None if everything else self._clock.seconds(), self._site_id)
        if rows:
            self._number += 1
            token = f"{self._batch_prefix}-counters-{self._number}"
            earlier = () if self._leaving is None else self._leaving.rows
            self._leaving = Insert("ingest_counters", (*earlier, *rows), token)
        return () if self._leaving is None else (self._leaving,)

    def _site_id(self, domain: str) -> int | None:
        site = self._reference.site(domain)
        return None if site is None else site.id

    def close(self) -> None:
        """Close the channel half."""
        self._outlet.close()

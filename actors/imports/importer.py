"""The actor that imports past events, one import at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import structlog
import trio

from actors.imports.opening import ImportContext, ImportMistakeError
from actors.imports.past_import import PastImport
from actors.supervision.actor import Actor
from ingest.past.import_progress import ImportProgress
from ingest.past.import_request import ImportRequest

log = structlog.get_logger()

PROGRESS_SECONDS: Final = 0.5
"""Interval of reports on the progress."""

SALTS_SECONDS: Final = 3600.0
"""How often to check for salts to delete."""

BUSY: Final = "another import is under way"

FAILED: Final = "Sluice has failed, its log says how; the same command goes on with the import"

Report = ImportProgress | ImportMistakeError
"""How far an import is, or why it cannot go on. Nothing follows the latter."""


@dataclass(frozen=True, slots=True)
class _Order:
    """A wanted import.

    Attributes:
        request: What to import.
        reports: Where it is reported how far the import is; closed at its end.
        scope: Cancelled if nobody waits for the import any more.
    """

    request: ImportRequest
    reports: trio.MemorySendChannel[Report]
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Importer(Actor):
    """The actor that runs imports, and deletes their old salts.

    Receives orders of `follow`, and sends events to the log. An import lives as long as somebody
    follows it. A failure ends the import and restarts the actor; the state file stays.
    """

    name = "imports"

    def __init__(self, context: ImportContext) -> None:
        """Create the actor.

        Args:
            context: What imports work with.
        """
        self._context = context
        self._orders, self._inbox = trio.open_memory_channel[_Order](1)
        self._followed = False

    @asynccontextmanager
    async def follow(
        self, request: ImportRequest
    ) -> AsyncIterator[trio.MemoryReceiveChannel[Report]]:
        """Run an import, until it has ended or this context is left.

        Yields:
            Reports; they end with the import. If the last one is neither a mistake nor the
            progress of an import that is over, the process is ending.
        """
        reports, following = trio.open_memory_channel[Report](1)
        order = _Order(request, reports)
        with following:
            if self._followed:
                reports.send_nowait(ImportMistakeError(BUSY))
                reports.close()
                yield following
                return
            self._followed = True
            try:
                # An import that is no longer followed is about to end.
                await self._orders.send(order)
                yield following
            finally:
                order.scope.cancel()
                self._followed = False

    async def run(self) -> None:
        """Import, and delete old salts, until the process ends."""
        while True:
            await self._delete_old_salts()
            with trio.move_on_after(SALTS_SECONDS) as idle:
                order = await self._inbox.receive()
            if not idle.cancelled_caught:
                await self._import(order)
                self.progress += 1

    async def _import(self, order: _Order) -> None:
        with order.scope, order.reports:
            past_import = PastImport(order.request, self._context)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._delete_old_salts_hourly, past_import)
                await run_import(past_import, order.reports)
                nursery.cancel_scope.cancel()

    async def _delete_old_salts_hourly(self, past_import: PastImport) -> None:
        while True:
            await trio.sleep(SALTS_SECONDS)
            if past_import.id is not None:
                await self._delete_old_salts(past_import.id)
                await past_import.forget_old_salt()

    async def _delete_old_salts(self, spared: str | None = None) -> None:
        context = self._context
        states = await trio.to_thread.run_sync(
            context.states.delete_old_salts, context.clock.now(), spared
        )
        if states:
            log.info("salts of imports deleted", imports=len(states))

    def close(self) -> None:
        """Take no more orders."""
        self._inbox.close()
        self._orders.close()


async def run_import(past_import: PastImport, reports: trio.MemorySendChannel[Report]) -> None:
    """Run an import, and report on it.

    Raises:
        Exception: A failure of ours; the last report says so, too.
    """
    failure: Exception | None = None
    last: Report | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_report, past_import, reports)
        try:
            await past_import.run()
        except ImportMistakeError as mistake:
            last = mistake
        except Exception as error:
            failure, last = error, ImportMistakeError(FAILED)
        nursery.cancel_scope.cancel()
    with suppress(trio.BrokenResourceError):
        await reports.send(last or past_import.progress())
    if failure is not None:
        raise failure


async def _report(past_import: PastImport, reports: trio.MemorySendChannel[Report]) -> None:
    while True:
        with suppress(trio.BrokenResourceError):
            await reports.send(past_import.progress())
        await trio.sleep(PROGRESS_SECONDS)

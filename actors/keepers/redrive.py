"""Redrives dead letters that an operator, or the last shutdown, has marked."""

from collections.abc import Sequence

import structlog
import trio
from msgspec.structs import replace

from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_directory import LetterNotFoundError
from actors.log.log import Log, LogError
from actors.pipeline.flush import Flush
from actors.pipeline.intake import Intake
from actors.pipeline.setting_aside import source_of
from actors.pipeline.verdicts import Verdicts
from actors.supervision.actor import Actor
from ingest.letters.dead_letter import DeadLetter
from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import SET_ASIDE
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.rows.batch import Insert

log = structlog.get_logger()

POLL_SECONDS = 2.0
"""Interval at which marked letters are looked for."""


class Redrive(Actor):
    """The actor that redrives letters, one at a time.

    Receives nothing. Sends events to the gate, enriched events to the recorder and rows to the
    writer. The letter is the source of its event, with the count of its redrives as number. So the
    fold takes the event once, even if a crash comes before the letter is deleted. A letter is
    deleted when its event is durable in the log or dropped, or when its rows are stored. A restart
    redrives the letters that are still marked.
    """

    name = "redrive"

    def __init__(
        self,
        letters: DeadLetters,
        intake: Intake,
        verdicts: Verdicts,
        source: Log,
        recorder: trio.MemorySendChannel[Sequence[TicketedEvent]],
        writer: trio.MemorySendChannel[Flush] | None,
    ) -> None:
        """Own the channel halves until `close`; the rest is shared.

        Args:
            letters: The letters.
            intake: Sends events to the gate.
            verdicts: Return the verdict on an event.
            source: The log, synced before a letter is deleted.
            recorder: Channel to the recorder.
            writer: Channel to the writer; None if this process has no store.
        """
        self._letters = letters
        self._intake = intake
        self._verdicts = verdicts
        self._log = source
        self._recorder = recorder
        self._writer = writer

    async def run(self) -> None:
        """Look for marked letters forever."""
        while True:
            for letter_id in self._letters.to_redrive():
                await self._redrive(letter_id)
            await trio.sleep(POLL_SECONDS)

    async def _redrive(self, letter_id: str) -> None:
        try:
            letter = await self._letters.read(letter_id)
        except LetterNotFoundError:
            return
        except (ValueError, OSError) as error:
            log.error("dead letter cannot be redriven", id=letter_id, error=str(error))
            self._letters.unmark(letter_id)
            return
        try:
            done = await self._send(letter)
        except LogError as error:
            log.error("redriven event is not synced, its letter stays", error=str(error))
            return
        self.progress += 1
        if done:
            self._letters.settle(letter_id)
            log.info("dead letter redriven", id=letter_id, kind=letter.kind)

    async def _send(self, letter: DeadLetter) -> bool:
        """Send a letter's content to its stage.

        Returns:
            Whether the content is stored, logged or dropped, so that the letter can be deleted.
        """
        content = letter.content
        if isinstance(content, Insert):
            if self._writer is None:
                log.error("rows can be redriven only by a process with a store", id=letter.id)
                self._letters.unmark(letter.id)
                return False
            # An earlier process may have stored them without deleting the letter.
            flush = Flush((replace(content, attempted=True),), letter=letter.id)
            await self._writer.send(flush)
            await flush.stored.wait()
            # If they were refused again, this letter has them and is no longer marked.
            return letter.id in self._letters.to_redrive()
        source = source_of(letter)
        if isinstance(content, Event):
            verdict = await self._intake.readmit(replace(content, source=source))
        else:
            event: EnrichedEvent = replace(content, source=source)
            verdict = await self._verdicts.readmit(
                lambda ticket: TicketedEvent(ticket, 0, event), self._recorder
            )
        if verdict.accepted:
            await self._log.sync()
        # If the event failed again, its letter was updated. If it was not taken, the mark stays.
        return not (verdict.passing or verdict == SET_ASIDE)

    def close(self) -> None:
        """Close the channel halves."""
        self._recorder.close()
        if self._writer is not None:
            self._writer.close()

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
from actors.pipeline.setting_aside import LETTER
from actors.pipeline.verdicts import Verdicts
from actors.supervision.actor import Actor
from ingest.letters.dead_letter import DeadLetter
from ingest.model.event import EnrichedEvent, Event, Source
from ingest.model.verdict import SET_ASIDE
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.rows.batch import Insert

log = structlog.get_logger()

POLL_SECONDS = 2.0
"""How soon a letter is redriven after it was marked."""


class Redrive(Actor):
    """The actor that owns which letter is under way, one at a time.

    Receives nothing; sends events to the gate, enriched events to the recorder and rows to the
    writer. The letter is the source of its event, with how often it was redriven: so the fold takes
    it once, even if a crash comes before the letter is deleted. A letter is deleted when the log
    has its event for good, when the event is dropped, or when its rows are stored. A restart
    redrives what is still marked.
    """

    name = "redrive"

    def __init__(
        self,
        letters: DeadLetters,
        intake: Intake,
        verdicts: Verdicts,
        source: Log,
        recorder: trio.MemorySendChannel[Sequence[TicketedEvent]],
        writer: trio.MemorySendChannel[Flush],
    ) -> None:
        """Own both channel halves until `close`; the rest is shared.

        Args:
            letters: The letters.
            intake: Leads to the gate.
            verdicts: Tell what became of an event.
            source: The log, synced before a letter is deleted.
            recorder: Leads to the recorder.
            writer: Leads to the writer.
        """
        self._letters = letters
        self._intake = intake
        self._verdicts = verdicts
        self._log = source
        self._recorder = recorder
        self._writer = writer

    async def run(self) -> None:
        """Look for marked letters for ever."""
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
        """Send a letter's content where it belongs.

        Returns:
            Whether it has found another place, so that the letter can go.
        """
        content = letter.content
        if isinstance(content, Insert):
            # An earlier process may have stored them without having deleted the letter.
            flush = Flush((replace(content, attempted=True),), letter=letter.id)
            await self._writer.send(flush)
            await flush.stored.wait()
            # Refused again, all of them are in this letter again, and it is no longer marked.
            return letter.id in self._letters.to_redrive()
        source = Source(f"{LETTER}{letter.id}", letter.redriven + 1)
        if isinstance(content, Event):
            verdict = await self._intake.readmit(replace(content, source=source))
        else:
            event: EnrichedEvent = replace(content, source=source)
            verdict = await self._verdicts.readmit(
                lambda ticket: TicketedEvent(ticket, 0, event), self._recorder
            )
        if verdict.accepted:
            await self._log.sync()
        # One that failed again is in its own letter; one that nobody could take stays marked.
        return not (verdict.passing or verdict == SET_ASIDE)

    def close(self) -> None:
        """Close both channel halves."""
        self._recorder.close()
        self._writer.close()

"""Redrives dead letters that an operator, or the last shutdown, has marked."""

from collections.abc import Sequence

import structlog
import trio
from msgspec.structs import replace

from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_directory import LetterNotFoundError
from actors.pipeline.intake import Intake
from actors.pipeline.verdicts import Verdicts
from actors.supervision.actor import Actor
from ingest.letters.dead_letter import DeadLetter
from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import SET_ASIDE
from ingest.rows.batch import Flush, Insert

log = structlog.get_logger()

POLL_SECONDS = 2.0


class Redrive(Actor):
    """The actor that owns which letters are under way.

    Receives nothing; sends events to the gate, enriched events to sessions and rows to the writer.
    The letter of an event is deleted by sessions once the journal has the event, or here when the
    event is dropped; that of rows by the writer once they are stored. A restart redrives what is
    still marked and not under way.
    """

    name = "replay"

    def __init__(
        self,
        letters: DeadLetters,
        intake: Intake,
        verdicts: Verdicts,
        sessions: trio.MemorySendChannel[Sequence[EnrichedEvent]],
        writer: trio.MemorySendChannel[Flush],
    ) -> None:
        """Own both channel halves until `close`; the intake stays the caller's."""
        self._letters = letters
        self._intake = intake
        self._verdicts = verdicts
        self._sessions = sessions
        self._writer = writer
        self._under_way: set[str] = set()
        self._current: str | None = None

    async def run(self) -> None:
        """Look for marked letters for ever."""
        while True:
            marked = self._letters.to_redrive()
            self._under_way.intersection_update(marked)
            for letter_id in marked:
                if letter_id not in self._under_way:
                    self._current = letter_id
                    await self._redrive(letter_id)
                    self._current = None
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
        await self._send(letter)
        log.info("dead letter redriven", id=letter_id, kind=letter.kind)

    async def _send(self, letter: DeadLetter) -> None:
        content = letter.content
        if isinstance(content, Insert):
            self._under_way.add(letter.id)
            try:
                # An earlier process may have stored them without having deleted the letter.
                await self._writer.send((replace(content, letter=letter.id, attempted=True),))
            except BaseException:
                self._under_way.discard(letter.id)
                raise
            return
        if isinstance(content, Event):
            verdict = await self._intake.readmit(content, letter.id)
        else:
            verdict = await self._verdicts.readmit(content, self._sessions, letter.id)
        # Whoever keeps the event does away with the letter, or puts the event back into it; if
        # nobody could, it stays marked and is tried again.
        if not (verdict.accepted or verdict.passing or verdict == SET_ASIDE):
            self._letters.settle(letter.id)

    def failed(self, error: Exception) -> None:
        """Take the mark off the letter that could not be redriven."""
        if self._current is not None:
            self._letters.unmark(self._current)
            self._current = None

    def close(self) -> None:
        """Close both channel halves."""
        self._sessions.close()
        self._writer.close()

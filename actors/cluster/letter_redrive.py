"""Redrives the letters of workers that an operator has marked.

Rows are redriven by the worker that owns their partition, events by fronts.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

import structlog
import trio
from msgspec.structs import replace

from actors.cluster.failure import KafkaFailure
from actors.cluster.letter_reading import LetterRecord
from actors.cluster.letter_topic import LetterTopic
from actors.log.log import Log
from actors.pipeline.flush import Flush
from actors.pipeline.setting_aside import source_of
from actors.pipeline.verdicts import Verdicts
from actors.supervision.actor import Actor
from ingest.letters.dead_letter import DeadLetter
from ingest.model.event import EnrichedEvent
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.rows.batch import Insert

log = structlog.get_logger()

POLL_SECONDS: Final = 2.0
"""Interval at which marked letters are looked for."""


class MarkedLetters:
    """The letters of a kind that are to be redriven, without those that cannot be read.

    Another version of Sluice may be able to read those, so they stay marked.
    """

    def __init__(self, letters: LetterTopic, kind: str, partition: int | None = None) -> None:
        """Look for letters.

        Args:
            letters: The letters.
            kind: As in `DeadLetter`.
            partition: Of the letters; None for any.
        """
        self._letters = letters
        self._kind = kind
        self._partition = partition
        self._unreadable: set[tuple[str, int]] = set()

    async def next(self) -> AsyncGenerator[tuple[LetterRecord, DeadLetter]]:
        """Those that are marked now, oldest first; the next call tries again what fails."""
        letters = self._letters
        marked = letters.letters.to_redrive(self._kind, self._partition)
        try:
            async with aclosing(letters.find(marked)) as records:
                async for record in records:
                    # Another process may have redriven it meanwhile.
                    letter = await self._read(record) if self._is_marked(record) else None
                    if letter is not None:
                        yield record, letter
        except KafkaFailure as failure:
            log.error("dead letters cannot be redriven", error=str(failure))

    async def _read(self, record: LetterRecord) -> DeadLetter | None:
        try:
            letter = await record.letter()
            if letter.kind != self._kind:
                raise ValueError(f"it is a letter of kind {letter.kind}")
        except ValueError as error:
            self._unreadable.add(_key(record))
            log.error("dead letter cannot be redriven", id=record.header.id, error=str(error))
            return None
        return letter

    def _is_marked(self, record: LetterRecord) -> bool:
        return _key(record) not in self._unreadable and self.still(record)

    def still(self, record: LetterRecord) -> bool:
        """Whether a letter is still to be redriven, and has not failed again."""
        letter = self._letters.letters.letters.get(record.header.id)
        return (
            letter is not None
            and letter.redrive
            and letter.header.redriven == record.header.redriven
        )


class RowsRedrive:
    """Has the rows of a partition's letters stored, as the owner of the partition."""

    def __init__(
        self, letters: LetterTopic, outlet: trio.MemorySendChannel[Flush], source: Log
    ) -> None:
        """Use a channel to the writer, which the caller closes.

        Args:
            letters: The letters.
            outlet: Channel to the writer.
            source: The partition's log.
        """
        self._letters = letters
        self._outlet = outlet
        self._lease = source.lease
        self._marked = MarkedLetters(letters, "rows", source.partition)

    async def run(self) -> None:
        """Look for marked letters forever."""
        while True:
            async with aclosing(self._marked.next()) as found:
                async for record, letter in found:
                    await self._redrive(record, letter)
            await trio.sleep(POLL_SECONDS)

    async def _redrive(self, record: LetterRecord, letter: DeadLetter) -> None:
        assert isinstance(letter.content, Insert)  # noqa: S101 - by its kind
        # An earlier owner may have stored them without marking the letter.
        insert = replace(letter.content, attempted=True)
        flush = Flush((insert,), letter=letter.id, lease=self._lease)
        await self._outlet.send(flush)
        await flush.stored.wait()
        # If they were refused again, the letter waits for the operator again.
        if self._marked.still(record):
            await self._letters.mark(record.header, "redriven")
            log.info("dead letter redriven", id=letter.id, kind="rows")


class EventRedrive(Actor):
    """The actor of a front that appends the events of marked letters to its log.

    The letter is the source of its event, with the count of its redrives as number. So workers take
    the event once, although all fronts redrive it, and a front that dies in between does so again.
    A letter is settled when Kafka has its event. If the event fails again, a worker keeps it as
    the same letter with a higher count.
    """

    name = "cluster_redrive"

    def __init__(
        self,
        letters: LetterTopic,
        verdicts: Verdicts,
        source: Log,
        recorder: trio.MemorySendChannel[Sequence[TicketedEvent]],
        acknowledged: Callable[[int], Awaitable[None]],
    ) -> None:
        """Own the channel half until `close`; the rest is shared.

        Args:
            letters: The letters of the cluster.
            verdicts: Return the verdict on an event.
            source: The front's log.
            recorder: Channel to the recorder.
            acknowledged: Waits until Kafka has all records before a position.
        """
        self._letters = letters
        self._verdicts = verdicts
        self._log = source
        self._recorder = recorder
        self._acknowledged = acknowledged
        self._marked = MarkedLetters(letters, "enriched_event")

    async def run(self) -> None:
        """Look for marked letters forever."""
        # What was redriven before this start is marked, too, until the mark that settles it.
        await self._letters.read_to_end()
        while True:
            async with aclosing(self._marked.next()) as found:
                async for record, letter in found:
                    await self._redrive(record, letter)
            await trio.sleep(POLL_SECONDS)

    async def _redrive(self, record: LetterRecord, letter: DeadLetter) -> None:
        assert isinstance(letter.content, EnrichedEvent)  # noqa: S101 - by its kind
        event = replace(
            letter.content,
            source=source_of(letter),
            partition=letter.partition,
        )
        verdict = await self._verdicts.readmit(
            lambda ticket: TicketedEvent(ticket, 0, event), self._recorder
        )
        self.progress += 1
        if verdict.passing:
            return  # it stays marked, and is tried again
        if verdict.accepted:
            await self._acknowledged(self._log.end.position)
        # Otherwise this front has it as a letter of the same id among its files.
        if self._marked.still(record):
            await self._letters.mark(record.header, "redriven")
        log.info("dead letter redriven", id=letter.id, kind=letter.kind)

    def close(self) -> None:
        """Close the channel half."""
        self._recorder.close()


def _key(record: LetterRecord) -> tuple[str, int]:
    return record.header.id, record.header.redriven

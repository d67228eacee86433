"""The letters topic in memory, and processes that follow it."""

from random import Random

import trio

from actors.cluster.letter_topic import LetterTopic
from ingest.letters.dead_letter import Content, LogPosition
from tests.actors.cluster.simulated_group import Coordinator, Process
from tests.actors.cluster.simulated_topics import ProcessTopics, SimulatedTopics
from tests.examples import NOON

PARTITION = 1
LOG = f"0123456789abcdef-{PARTITION}"

MOMENT = 3.0
"""Seconds in which everybody has read what was sent."""


class LettersInMemory:
    """The topic."""

    def __init__(self, nursery: trio.Nursery) -> None:
        random = Random(1)  # noqa: S311
        self.topics = SimulatedTopics(random, Coordinator(random, PARTITION + 1), PARTITION + 1)
        self._nursery = nursery

    def follow(self) -> LetterTopic:
        """The letters as another process sees them from now on."""
        topics = ProcessTopics(Process(), self.topics)
        letters = LetterTopic(
            topics.letter_reader(),
            topics.letters_end,
            topics.letter_reader,
            topics.send_letter,
            lambda: NOON,
        )
        self._nursery.start_soon(letters.run)
        return letters


def at(position: int) -> LogPosition:
    return LogPosition(LOG, PARTITION, position)


async def kept(letters: LetterTopic, content: Content, position: LogPosition | None = None) -> str:
    """Keep a letter; returns its id once it is read back."""
    before = set(letters.letters.letters)
    outcome: list[bool] = []
    key = "token" if position is None else None
    assert letters.keep("actor", content, "x", key=key, position=position, told=outcome.append)
    await letters.written()
    assert outcome == [True]
    await letters.read_to_end()
    (letter_id,) = set(letters.letters.letters) - before
    return letter_id

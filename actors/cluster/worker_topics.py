"""The topics of a cluster, as a worker uses them: questions, readers, and one producer."""

from typing import Final

import structlog
import trio

from actors.cluster.admin import Admin, Bounds, CommittedOffset
from actors.cluster.failure import KafkaFailure, Options
from actors.cluster.producer_thread import Message, ProducerThread
from actors.cluster.topic_reader import TopicReader
from ingest.engine.message import POSITIONS
from ingest.engine.plan import CheckpointPlace
from ingest.engine.topics import TopicNames

log = structlog.get_logger()

PROMPT: Final[Options] = {"fetch.wait.max.ms": 20}
"""Lets a broker tell soon that a partition has no more messages; a takeover waits for it."""

DELETIONS: Final = 1_000
"""Deletions that may wait; more are left to the next checkpoint."""


class WorkerTopics:
    """Connects to the topics of events, checkpoints and letters.

    Attributes:
        names: Their names.
        may_delete: Whether the brokers allow this worker to delete records.
    """

    def __init__(
        self, names: TopicNames, *, producer: Options, reader: Options, admin: Options
    ) -> None:
        """Connect to nothing yet.

        Args:
            names: The names of the topics.
            producer: The options of the producer.
            reader: The options of readers.
            admin: The options for questions and deletions.
        """
        self.names = names
        self.may_delete = True
        self._producer_options = producer
        self._reader_options = reader
        self._admin = Admin(admin)
        # A deletion may take seconds, and must not hold up a takeover.
        self._deleter = Admin(admin)
        self._producer: ProducerThread | None = None
        self._delete, self._deletions = trio.open_memory_channel[tuple[int, CheckpointPlace]](
            DELETIONS
        )

    async def committed(self, partition: int) -> CommittedOffset | None:
        """What the group has committed for a partition of the events topic; None for nothing."""
        answer = await self._admin.committed(self.names.workers, self.names.events, [partition])
        found = answer.get(partition)
        return None if found is None or found.offset < 0 else found

    async def bounds(self, partition: int) -> Bounds:
        """The bounds of a partition of the events topic."""
        return (await self.all_bounds([partition]))[partition]

    async def all_bounds(self, partitions: list[int]) -> dict[int, Bounds]:
        """The bounds of partitions of the events topic."""
        return await self._admin.bounds(self.names.events, partitions)

    def checkpoints(self, partition: int, start: int | None) -> TopicReader:
        """A reader of checkpoints, from an offset or the beginning."""
        return self._reader(
            {**self._reader_options, **PROMPT}, self.names.checkpoints, partition, start
        )

    def letters(self, start: int | None = None) -> TopicReader:
        """A reader of letters, from an offset or the beginning."""
        return self._reader(self._reader_options, self.names.letters, 0, start)

    async def letters_end(self) -> int:
        """The offset after the last letter."""
        return (await self._admin.bounds(self.names.letters, [0]))[0].high

    @staticmethod
    def _reader(options: Options, topic: str, partition: int, start: int | None) -> TopicReader:
        if start is None:
            return TopicReader(options, topic, partition)
        return TopicReader(options, topic, partition, start=start)

    async def send_checkpoint(self, partition: int, data: bytes) -> int:
        """Append a message of a checkpoint; see `actors.cluster.checkpoint_topic.Send`."""
        return await self._send(Message(self.names.checkpoints, partition, data))

    async def send_letter(self, key: bytes, data: bytes) -> int:
        """Append a message of a letter; see `actors.cluster.letter_topic.Send`."""
        return await self._send(Message(self.names.letters, 0, data, key))

    async def _send(self, message: Message) -> int:
        if self._producer is None or self._producer.failure is not None:
            self._producer = ProducerThread(self._producer_options, name="worker-producer")
            self._producer.start()
        return await self._producer.send(message)

    def delete_before(self, partition: int, checkpoint: CheckpointPlace) -> None:
        """Delete the messages and the checkpoints before a checkpoint soon, if it is allowed."""
        if self.may_delete:
            try:
                self._delete.send_nowait((partition, checkpoint))
            except trio.WouldBlock:
                log.warning("records are not deleted, too many deletions wait")

    async def delete_records(self) -> None:
        """Delete what `delete_before` was told, forever."""
        async for partition, checkpoint in self._deletions:
            await self._try(self.names.events, partition, checkpoint.position // POSITIONS)
            await self._try(self.names.checkpoints, partition, checkpoint.offset)

    async def _try(self, topic: str, partition: int, offset: int) -> None:
        if not self.may_delete:
            return
        try:
            await self._deleter.delete_records(topic, {partition: offset})
        except KafkaFailure as failure:
            if failure.name.endswith("AUTHORIZATION_FAILED"):
                self.may_delete = False
            log.warning("records are not deleted", topic=topic, error=str(failure))

    def close(self) -> None:
        """Close the connections, after what is being sent."""
        if self._producer is not None:
            self._producer.close(5.0)
        self._admin.close()
        self._deleter.close()

"""Which message of each partition the consumer's thread wants next."""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from actors.cluster.failure import KafkaFailure


class ReadPositions:
    """The read positions of the assigned partitions. Belongs to the consumer's thread.

    A partition is read from where it was begun; before that it is paused. `seek` moves the consumer
    there. It is called after each poll, because a partition cannot be sought until the client has
    found its leader.
    """

    def __init__(self, topic: str) -> None:
        """Start without partitions.

        Args:
            topic: The topic.
        """
        self._topic = topic
        self._starts: dict[int, int] = {}
        self._expected: dict[int, int] = {}
        self._seeks: dict[int, int] = {}
        self._gaps: dict[int, int] = {}
        self._paused: set[int] = set()
        self._halted: set[int] = set()

    def begin(self, partition: int, offset: int, number: int) -> None:
        """Want the messages of a partition from an offset on.

        Args:
            partition: The partition.
            offset: Of the first message that is wanted.
            number: Of this start; messages that were on their way before belong to an earlier one.
        """
        self._starts[partition] = number
        self._seeks[partition] = offset
        self._expected.pop(partition, None)
        self._gaps.pop(partition, None)
        self._paused.discard(partition)

    def start_of(self, partition: int) -> int:
        """The number of the last start of a partition that was begun."""
        return self._starts[partition]

    def take(self, partition: int, offset: int) -> bool:
        """Whether a message is the one that is expected next; then the next one is expected.

        Others were on their way before a seek. If the same gap comes after another seek, there is
        nothing in it. So what follows a message that is not taken must not be offered before the
        seek.
        """
        expected = self._expected.get(partition)
        if expected is None or offset < expected:
            return False
        if offset > expected and self._gaps.get(partition) != expected:
            self._gaps[partition] = expected
            self._seeks[partition] = expected
            return False
        self._expected[partition] = offset + 1
        return True

    def seek(self, consumer: Consumer) -> KafkaFailure | None:
        """Move the consumer to where partitions were begun, and let it read them.

        Returns:
            Why this must be tried again; None if it need not.
        """
        failure = None
        for partition in list(self._seeks):
            try:
                self._seek(consumer, partition)
            except KafkaException as error:
                failure = KafkaFailure.raised(error)
        return failure

    def pause(self, consumer: Consumer, partition: int) -> None:
        """Read a partition no further."""
        self._paused.add(partition)
        consumer.pause([TopicPartition(self._topic, partition)])

    def resume(self, consumer: Consumer, partition: int) -> None:
        """Read a paused partition again."""
        self._paused.discard(partition)
        if partition not in self._seeks:
            consumer.resume([TopicPartition(self._topic, partition)])

    def halt(self, partition: int) -> bool:
        """Note that the wanted message is no longer there, so the client has stopped to read.

        Returns:
            Whether messages of the partition are wanted.
        """
        self._halted.add(partition)
        return partition in self._expected

    def forget(self, partitions: Iterable[int]) -> None:
        """Want no messages of some partitions."""
        for partition in partitions:
            self._expected.pop(partition, None)
            self._seeks.pop(partition, None)
            self._gaps.pop(partition, None)
            self._paused.discard(partition)
            self._halted.discard(partition)

    def _seek(self, consumer: Consumer, partition: int) -> None:
        place = TopicPartition(self._topic, partition, self._seeks[partition])
        if partition in self._halted:
            # The client does not read a partition again after such an error.
            consumer.incremental_unassign([place])
            self._halted.discard(partition)
            consumer.incremental_assign([place])
        else:
            consumer.seek(place)
        if partition in self._paused:
            consumer.pause([place])
        else:
            consumer.resume([place])
        self._expected[partition] = self._seeks.pop(partition)

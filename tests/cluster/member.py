"""A consumer of a group for tests: it polls and commits only when it is told to.

`PausableMember` runs it in a separate process, which can be paused.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.cluster.brokers import WAIT_SECONDS, Brokers, Options
from tests.cluster.node import ROOT

ACCEPTED = "accepted"


class Member:
    """A member of the group `name` that reads the topic `name`."""

    def __init__(self, name: str, options: Options) -> None:
        """Subscribe, without joining yet.

        Args:
            name: Name of the topic and of the group.
            options: How to connect, and further options.
        """
        self.name = name
        self.revoked: list[int] = []
        self.lost: list[int] = []
        self.messages: list[bytes] = []
        self.errors: list[KafkaError] = []
        self.consumer = Consumer(
            {
                "group.id": name,
                "partition.assignment.strategy": "cooperative-sticky",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "heartbeat.interval.ms": 500,
                "log_level": 0,
                "error_cb": self.errors.append,
                **options,
            }
        )
        self.consumer.subscribe(
            [name],
            on_revoke=lambda _, partitions: self.revoked.extend(_numbers(partitions)),
            on_lost=lambda _, partitions: self.lost.extend(_numbers(partitions)),
        )

    def poll(self, seconds: float) -> None:
        """Serve callbacks, and keep the messages that come within a time."""
        for message in self.consumer.consume(100, seconds):
            error, value = message.error(), message.value()
            if error is not None:
                self.errors.append(error)
            elif value is not None:
                self.messages.append(value)

    @property
    def partitions(self) -> list[int]:
        """The partitions that are assigned to this member."""
        return _numbers(self.consumer.assignment())

    def commit(self, offset: int, metadata: str, partition: int = 0) -> str:
        """Commit synchronously, and return `ACCEPTED` or the name of the error."""
        request = TopicPartition(self.name, partition, offset, metadata)
        try:
            (result,) = self.consumer.commit(offsets=[request], asynchronous=False)
        except KafkaException as error:
            return str(error.args[0].name())
        return ACCEPTED if result.error is None else str(result.error.name())

    def committed(self, partition: int = 0) -> tuple[int, str | None]:
        """Return the offset and the metadata of the last commit that was accepted."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                (found,) = self.consumer.committed([TopicPartition(self.name, partition)], 10)
                if found.error is None:
                    return found.offset, found.metadata
                raise KafkaException(found.error)
            except KafkaException:
                # For example while a group moves to another coordinator.
                if time.monotonic() > deadline:
                    raise

    def close(self) -> None:
        """Leave the group, unless this is a static member."""
        self.consumer.close()


def poll_until(reached: Callable[[], object], *members: Member, seconds: float = 0.1) -> None:
    """Let members poll in turns, each for some seconds, until a condition holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not reached():
        assert time.monotonic() < deadline, [(each.partitions, each.errors) for each in members]
        for member in members:
            member.poll(seconds)


def read_topic(brokers: Brokers, name: str) -> list[bytes]:
    """Return all messages in the first partition of a topic."""
    options = {**brokers.options(), "group.id": f"{name}-reader"}
    with Consumer(options) as consumer:
        low, high = consumer.get_watermark_offsets(TopicPartition(name, 0), WAIT_SECONDS)
        consumer.assign([TopicPartition(name, 0, low)])
        values: list[bytes] = []
        deadline = time.monotonic() + WAIT_SECONDS
        while len(values) < high - low:
            assert time.monotonic() < deadline, values
            for message in consumer.consume(high - low - len(values), 1):
                assert message.error() is None, message.error()
                values.append(message.value() or b"")
        return values


class PausableMember:
    """A member with one partition in a process of its own."""

    def __init__(self, name: str, options: Options) -> None:
        """Start the process and wait until it has its partition."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.member", name, json.dumps(options)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._receive() == [0]

    def __enter__(self) -> Self:
        """Return the member."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the process."""
        with self._process:
            self._process.kill()

    def pause(self) -> None:
        """Pause the process: it sends no heartbeats."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the process."""
        self._process.send_signal(signal.SIGCONT)

    def send_commit(self, offset: int, metadata: str) -> None:
        """Send a commit to the process; a paused one makes it as soon as it is resumed."""
        self._send("commit", offset, metadata)

    def receive_result(self) -> str:
        """Return the result of the commit, as `Member.commit` does."""
        return str(self._receive())

    def poll_until_lost(self) -> list[int]:
        """Let the member poll until it lost its partition; return what it lost."""
        self._send("poll_until_lost")
        return list(self._receive())

    def _send(self, *command: str | int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def _numbers(partitions: list[TopicPartition]) -> list[int]:
    return sorted(each.partition for each in partitions)


def _main() -> None:
    name, options = sys.argv[1:]
    member = Member(name, json.loads(options))
    poll_until(lambda: member.partitions, member)
    print(json.dumps(member.partitions), flush=True)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        if command == "commit":
            answer: object = member.commit(*arguments)
        else:
            poll_until(lambda: member.lost, member)
            answer = member.lost
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main()

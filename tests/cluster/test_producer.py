"""A producer with the gapless guarantee: what is in the topic after a fatal error."""

import time

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tests.cluster.brokers import WAIT_SECONDS, Brokers
from tests.cluster.member import read_topic


@pytest.mark.parametrize("batch", [1, 10_000])
def test_a_new_producer_resends_what_is_not_acknowledged_without_a_gap(
    brokers: Brokers, name: str, batch: int
) -> None:
    """The eleventh message is too large for the topic, but not for the client."""
    brokers.create_topic(name, settings={"max.message.bytes": "10000"})
    numbers = list(range(30))
    first = Sender(brokers, name, batch)
    for number in numbers:
        first.send(number, bytes(20_000 if number == 10 else 0))
    assert first.wait_for_fatal_error().name() == "_GAPLESS_GUARANTEE"
    with pytest.raises(KafkaException):
        first.send(30)
    sent = read_numbers(brokers, name)
    assert sent == numbers[: 10 if batch == 1 else len(sent)]
    assert first.acknowledged == sent[: len(first.acknowledged)]

    second = Sender(brokers, name, batch)
    again = numbers[len(first.acknowledged) :]
    for number in again:
        second.send(number)
    assert second.producer.flush(WAIT_SECONDS) == 0
    assert second.acknowledged == again
    # A report may be missing; workers take what is doubled only once.
    assert read_numbers(brokers, name) == sent + again


def read_numbers(brokers: Brokers, name: str) -> list[int]:
    return [int(value.rstrip(b"\0")) for value in read_topic(brokers, name)]


class Sender:
    """A producer of numbered messages, and those that are acknowledged."""

    def __init__(self, brokers: Brokers, name: str, batch: int) -> None:
        self._name = name
        self.acknowledged: list[int] = []
        self.producer = Producer(
            {
                **brokers.options(),
                "acks": "all",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "batch.num.messages": batch,
                "linger.ms": 10,
                "log_level": 0,
            }
        )

    def send(self, number: int, filling: bytes = b"") -> None:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self.acknowledged.append(number)

        value = b"%d" % number + filling
        self.producer.produce(self._name, value, partition=0, on_delivery=report)

    def wait_for_fatal_error(self) -> KafkaError:
        """Poll until it is raised; `error_cb` is not told of it."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                self.producer.poll(0.1)
            except KafkaException as raised:
                error = raised.args[0]
                assert isinstance(error, KafkaError)
                assert error.fatal()
                return error
        raise AssertionError(self.acknowledged)

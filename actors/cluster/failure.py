"""What Kafka's client says when something fails."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from confluent_kafka import KafkaError, KafkaException

Options = Mapping[str, str | int | float | bool]
"""The client's options, by the names of librdkafka."""

LOGGER: Final = logging.getLogger("kafka")
"""Receives the client's own log lines while it is polled."""

# Operators did not choose the options. Failed connections are told in readiness and by our own
# lines; the client has one line for each attempt.
LOGGER.addFilter(lambda record: not record.getMessage().startswith(("CONFWARN", "FAIL")))

_PASSING: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._DESTROY,
        KafkaError._FATAL,
        KafkaError._INTR,
        KafkaError._ISR_INSUFF,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._PURGE_INFLIGHT,
        KafkaError._PURGE_QUEUE,
        KafkaError._QUEUE_FULL,
        KafkaError._RESOLVE,
        KafkaError._RETRY,
        KafkaError._STATE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._WAIT_CACHE,
        KafkaError._WAIT_COORD,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.DUPLICATE_SEQUENCE_NUMBER,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNKNOWN_PRODUCER_ID,
    }
)
"""Errors that say nothing against the request itself. `_GAPLESS_GUARANTEE` is not among them: the
broker has refused a message."""


class KafkaFailure(Exception):  # noqa: N818 - a KafkaError is something else
    """Kafka, or its client, did not do what was asked; the text says why.

    Attributes:
        name: Of the error, as in Kafka's documentation.
        fatal: Whether the client cannot be used any more.
        passing: Whether the same request may succeed later. False for a request that Kafka refuses
            for good.
    """

    def __init__(self, name: str, text: str, *, fatal: bool = False, passing: bool = True) -> None:
        """Create a failure."""
        super().__init__(text)
        self.name = name
        self.fatal = fatal
        self.passing = passing

    @classmethod
    def of(cls, error: KafkaError) -> Self:
        """What an error of the client says."""
        name = error.name()
        passing = error.retriable() or error.code() in _PASSING
        return cls(name, f"{name}: {error.str()}", fatal=error.fatal(), passing=passing)

    @classmethod
    def raised(cls, error: KafkaException) -> Self:
        """What an exception of the client says."""
        cause = error.args[0] if error.args else None
        if isinstance(cause, KafkaError):
            return cls.of(cause)
        return cls("UNKNOWN", str(error), passing=False)


def client_options(options: Options, told: Callable[[KafkaError], None]) -> dict[str, Any]:
    """The options of a client that logs through Python and tells its errors.

    Args:
        options: Those of the connection, and of the kind of client.
        told: Called for each error while the client is polled.
    """
    return {**options, "error_cb": told, "logger": LOGGER}

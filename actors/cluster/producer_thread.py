"""A thread that owns a producer: it sends messages, and reports what became of them.

A task per message would cost more than the message. So the thread takes messages in batches, asks
the client for its reports every few milliseconds, and hands all of them to trio in one call.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import structlog
import trio
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as SentMessage

from actors.cluster.failure import KafkaFailure, Options, client_options
from ingest.telemetry.logs import stack_of

log = structlog.get_logger()

PACE_SECONDS: Final = 0.005
"""Interval at which the client is polled while messages are on their way."""

IDLE_SECONDS: Final = 1.0
"""Interval at which it is polled otherwise, to learn of errors."""

REPORT_SECONDS: Final = 0.2
"""How long the reports are waited for that explain a fatal error."""

_ORDERED: Final[Options] = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    # The guarantee does not cover a message that has timed out: those behind it would be sent.
    "message.timeout.ms": 0,
}


class Message(NamedTuple):
    """A message to be sent.

    Attributes:
        topic: Where it goes.
        partition: Of the topic.
        value: Its content; None deletes the key's earlier messages when the topic is compacted.
        key: For compaction.
        tag: Returned in the report.
    """

    topic: str
    partition: int
    value: bytes | None
    key: bytes | None = None
    tag: Any = None


class Report(NamedTuple):
    """What became of a message.

    Attributes:
        tag: The message's.
        offset: Where it is in its partition.
        failure: Why it is not there; None if it is. It may be there nevertheless if the failure is
            a timeout.
    """

    tag: Any
    offset: int
    failure: KafkaFailure | None


class ProducerThread:
    """Owns a thread and its producer, from `start` until it fails or is closed.

    After a fatal error, `ended` is called, and nothing more is reported: unreported messages count
    as not sent, although the broker may have them.

    Attributes:
        failure: Why the producer has ended; None while it works, or if it was closed.
        problem: The last error of a connection, until a message is sent again; None if there is
            none.
    """

    def __init__(
        self,
        options: Options,
        *,
        told: Callable[[Sequence[Report]], object] = lambda reports: None,
        ended: Callable[[KafkaFailure], object] = lambda failure: None,
        ordered: bool = False,
        name: str = "producer",
    ) -> None:
        """Create the producer without starting it.

        The callbacks run in trio's thread, between two checkpoints. They must not raise.

        Args:
            options: The client's, with those of the connection.
            told: Receives the reports of messages sent with `send_nowait`, in the order in which
                the messages of each partition were sent.
            ended: Called once if the producer fails, after the last reports.
            ordered: Whether messages of a partition reach it in order, once, and none of them
                behind one that failed. The first failure then ends the producer.
            name: Of the thread.
        """
        self.failure: KafkaFailure | None = None
        self.problem: str | None = None
        self._options = {**options, **_ORDERED} if ordered else dict(options)
        self._told = told
        self._ended = ended
        self._ordered = ordered
        self._name = name
        self._inbox: deque[Message] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._close_at = 0.0
        self._done = trio.Event()
        self._started = False
        self._token: trio.lowlevel.TrioToken
        self._calls: set[_Call] = set()
        # The thread's own:
        self._reports: list[Report] = []
        self._fatal: KafkaFailure | None = None
        self._refused = False
        self._error: str | None = None
        self._delivers = False

    def start(self) -> None:
        """Start the thread."""
        self._token = trio.lowlevel.current_trio_token()
        self._started = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def send_nowait(self, messages: Sequence[Message]) -> None:
        """Send messages; `told` gets their reports. The sender limits how many are outstanding."""
        self._inbox.extend(messages)
        self._wake.set()

    async def send(self, message: Message) -> int:
        """Send one message, and wait until the broker has it. If cancelled, it may be sent or not.

        Returns:
            Its offset.

        Raises:
            KafkaFailure: It is not sent, as far as is known.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.failure is not None:
            raise self.failure
        call = _Call()
        self._calls.add(call)
        try:
            self.send_nowait([message._replace(tag=call)])
            await call.done.wait()
        finally:
            self._calls.discard(call)
        if call.failure is not None:
            raise call.failure
        return call.offset

    def close(self, seconds: float = 0.0) -> None:
        """End the thread once all messages are reported, or after some seconds of real time."""
        self._close_at = time.monotonic() + seconds
        self._closing.set()
        self._wake.set()
        if not self._started:
            self._done.set()

    async def closed(self) -> None:
        """Wait until the thread has ended."""
        await self._done.wait()

    def _run(self) -> None:
        try:
            self._work(Producer(client_options(self._options, self._note_error)))
        except KafkaException as error:
            self._fatal = KafkaFailure.raised(error)
        except BaseException as error:
            log.critical("producer failed", error=type(error).__name__, stack=stack_of(error))
            self._fatal = KafkaFailure("UNKNOWN", f"the producer failed: {type(error).__name__}")
        self._hand_over()
        self._call(self._end, self._fatal)

    def _work(self, producer: Producer) -> None:
        while self._fatal is None:
            self._produce(producer)
            producer.poll(0)
            self._hand_over()
            busy = bool(self._inbox) or len(producer) > 0
            if self._closing.is_set():
                left = self._close_at - time.monotonic()
                if not busy or left <= 0:
                    break
                time.sleep(min(PACE_SECONDS, left))
            elif busy:
                self._closing.wait(PACE_SECONDS)
            else:
                self._wake.wait(IDLE_SECONDS)
                self._wake.clear()
        if self._fatal is not None:
            # The report of the message that was refused says more than the error that follows.
            producer.poll(REPORT_SECONDS)
        producer.purge(blocking=False)

    def _produce(self, producer: Producer) -> None:
        """Give the waiting messages to the client, one by one.

        Its call for a batch takes messages of one partition only, and costs no less for few.
        """
        inbox = self._inbox
        while inbox and self._fatal is None:
            topic, partition, value, key, tag = inbox[0]
            try:
                producer.produce(
                    topic, value, key, partition, on_delivery=partial(self._delivered, tag)
                )
            except BufferError:
                return  # it has no room until messages are sent
            except KafkaException as error:
                self._report(Report(tag, -1, KafkaFailure.raised(error)))
            inbox.popleft()

    def _delivered(self, tag: object, error: KafkaError | None, message: SentMessage) -> None:
        if error is None:
            self._delivers = True
            self._reports.append(Report(tag, message.offset() or 0, None))
        else:
            self._report(Report(tag, -1, KafkaFailure.of(error)))

    def _report(self, report: Report) -> None:
        self._reports.append(report)
        failure = report.failure
        if not self._ordered or failure is None:
            return
        refused = not failure.passing and not self._refused
        if self._fatal is None or refused:
            self._fatal = failure
        self._refused |= refused

    def _note_error(self, error: KafkaError) -> None:
        failure = KafkaFailure.of(error)
        self._error = str(failure)
        if failure.fatal and self._fatal is None:
            self._fatal = failure

    def _hand_over(self) -> None:
        """Hand the reports to trio."""
        if not self._reports and self._error is None:
            return
        reports, self._reports = self._reports, []
        error, self._error = self._error, None
        if self._delivers:
            error, self._delivers = None, False
        self._call(self._tell, reports, error)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function, *arguments)

    def _tell(self, reports: list[Report], error: str | None) -> None:
        if error is not None or any(report.failure is None for report in reports):
            self.problem = error
        rest = []
        for report in reports:
            if type(report.tag) is _Call:
                report.tag.settle(report)
            else:
                rest.append(report)
        if rest:
            self._told(rest)

    def _end(self, failure: KafkaFailure | None) -> None:
        self.failure = failure or KafkaFailure("_DESTROY", "the producer is closed")
        for call in self._calls:
            call.settle(Report(None, -1, self.failure))
        self._done.set()
        if failure is not None:
            self._ended(failure)


class _Call:
    """A task that waits for a message's report."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.offset = -1
        self.failure: KafkaFailure | None = None

    def settle(self, report: Report) -> None:
        if not self.done.is_set():
            self.offset, self.failure = report.offset, report.failure
            self.done.set()

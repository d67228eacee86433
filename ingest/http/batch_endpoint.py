"""`POST /api/events`: many events in one request, each with its own result."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Final

import msgspec
import trio

from actors.pipeline.intake import RETRY_AFTER_SECONDS, OverloadedError
from actors.pipeline.topology import Collector
from actors.pipeline.verdicts import Ticket
from ingest.http.admin import has_bearer_token
from ingest.http.answer import Answer, answer_error, answer_json
from ingest.http.batch_results import BatchPart, BatchReport, answer_of
from ingest.http.event_endpoint import OVERLOADED, EventEndpoint, failed
from ingest.http.turns import NEW, Turns
from ingest.model.event import EventRequest
from ingest.model.verdict import Verdict
from ingest.request.batch import (
    BATCH_BYTES,
    COUNTED,
    Item,
    Sender,
    check_count,
    read_item,
    split_batch,
)
from ingest.request.client_address import ClientAddress
from ingest.request.compression import TooLargeError, UnknownCodingError, decompress
from ingest.request.invalid import InvalidRequest

ROUTE: Final = "/api/events"

TOGETHER: Final = 64
"""Events of a batch sent into the pipeline at a time: a single event waits for no more of each."""

READ_TOGETHER: Final = 16
"""Events read between two checkpoints, which takes some tenths of a millisecond."""

SMALL: Final = 32
"""Maximum number of events of a small batch, which is handled like an event."""

READ_BYTES: Final = 16_384
"""Bytes of events read between two checkpoints, if there are more than one."""

SMALL_BYTES: Final = 8 * 1024
"""Maximum size of a small batch. No larger one is parsed to find out how many events it has."""

SMALL_COMMAS: Final = 256
"""Maximum number of commas in a small batch, since an event may name many domains."""

UNPACKED_AT_ONCE: Final = 4_096
"""Bytes of the largest compressed body that is decompressed on the event loop. Larger ones may hold
megabytes and take tens of milliseconds."""

SMALL_EVENTS: Final = 256
"""Maximum number of events of small batches that wait for verdicts. Beyond it a small batch waits
for room, and for its turn like a larger one if there is none in time."""

AT_A_TIME: Final = 2
"""Maximum number of concurrent batches that are not small: one is read while the other is in the
pipeline. More would not be faster, and single events would wait longer. Others wait for their turn,
and are answered with 503 if it does not come."""

TURN_SECONDS: Final = float(RETRY_AFTER_SECONDS)
"""How long a batch waits for its turn before it is refused."""

_DAY: Final = 86_400


class PendingBatch(msgspec.Struct, frozen=True, gc=False):
    """A small batch that waits for its verdicts.

    Attributes:
        part: Its events.
        ticket: The ticket under which it waits.
    """

    part: BatchPart
    ticket: Ticket


class BatchEndpoint:
    """Answers batches for one collector, with the single endpoint's rules for each event.

    Attributes:
        turns: The turns of batches that are not small.
    """

    def __init__(
        self,
        collector: Collector,
        events: EventEndpoint,
        *,
        admin_token: str | None,
        past_days: int,
    ) -> None:
        """Create the endpoint of a collector.

        Args:
            collector: Receives the events.
            events: The single endpoint, whose rules for requests also apply here.
            admin_token: Lets its sender set time, address and user agent for any site.
            past_days: Maximum age of an event in days.
        """
        self._collector = collector
        self._events = events
        self._admin_token = admin_token
        self._past_days = past_days
        self.turns = Turns(AT_A_TIME, TURN_SECONDS)
        self._small_events = 0

    @property
    def has_room(self) -> bool:
        """Whether a small batch can be started without waiting for a turn."""
        return self._small_events < SMALL_EVENTS

    async def answer(
        self, headers: Mapping[str, str], client: ClientAddress, body: bytes
    ) -> Answer:
        """Parse, validate and send events into the pipeline; answer with the result of each.

        Never raises. The single endpoint's refusal is asked first.

        Args:
            headers: First occurrence of each header, by lower-case name.
            client: The client's address.
            body: The raw body, possibly compressed.
        """
        ready = trio.Event()
        started = self.start(headers, client, body, ready.set, trio.current_time())
        if isinstance(started, Answer):
            return started
        if started is not None:
            await ready.wait()
            return self.finish(started)
        async with self.turns.turn(NEW) as has_come:
            return await self.answer_large(headers, client, body) if has_come else OVERLOADED

    def start(
        self,
        headers: Mapping[str, str],
        client: ClientAddress,
        body: bytes,
        on_verdicts: Callable[[], object],
        now: float,
    ) -> Answer | PendingBatch | None:
        """Parse a small batch, validate its events and send them into the pipeline. Never raises.

        Args:
            headers: As in `answer`.
            client: The client's address.
            body: The raw body.
            on_verdicts: Called when `finish` can return the answer; see `Ticket`.
            now: On trio's clock.

        Returns:
            The answer if there is nothing to wait for; the pending batch, for `finish`; None if the
            batch must wait for its turn, for `answer_large`.
        """
        if (
            not may_be_small(len(body), headers)
            or not self.has_room
            or body.count(b",") > SMALL_COMMAS
        ):
            return None
        try:
            items = split_batch(headers.get("content-type"), body)
            if len(items) > SMALL:
                return None
            part = BatchPart()
            self._read_items(part, items, self._sender(headers, client))

            def tell() -> None:
                self._small_events -= len(part.requests)
                on_verdicts()

            ticket = None
            if part.requests:
                ticket = self._collector.intake.send(*part.requests, tell=tell, now=now)
                self._small_events += len(part.requests)
        except OverloadedError:
            pass
        except Exception as failure:
            return _refused(failure)
        return answer_of(part.given(())) if ticket is None else PendingBatch(part, ticket)

    def finish(self, pending: PendingBatch) -> Answer:
        """Return the answer to a batch whose verdicts are ready or whose wait has ended."""
        try:
            verdicts = self._collector.intake.outcome(pending.ticket)
        except OverloadedError:
            verdicts = []
        return answer_of(pending.part.given(verdicts))

    async def answer_large(
        self, headers: Mapping[str, str], client: ClientAddress, body: bytes
    ) -> Answer:
        """As `answer`, for a batch that is not small and whose turn it is."""
        try:
            content = await _decompress(headers.get("content-encoding"), body)
            for character in COUNTED:
                check_count(content, character)
                await trio.lowlevel.checkpoint()
            items = split_batch(headers.get("content-type"), content)
            return await self._take(items, self._sender(headers, client))
        except Exception as failure:
            return _refused(failure)

    def _sender(self, headers: Mapping[str, str], client: ClientAddress) -> Sender:
        now = self._collector.clock.seconds()
        is_admin = self._admin_token is not None and has_bearer_token(headers, self._admin_token)

        def may_set(domain: str) -> bool:
            if is_admin:
                return True
            site = self._collector.reference.site(domain)
            key = site.server_key if site is not None else None
            return key is not None and has_bearer_token(headers, key)

        return Sender(
            received=now,
            oldest=now - self._past_days * _DAY,
            client_ip=client.ip,
            user_agent=headers.get("user-agent"),
            ip_type=client.ip_type,
            may_set=may_set,
        )

    async def _take(self, items: Sequence[Item], sender: Sender) -> Answer:
        report = BatchReport()
        remaining = iter(items)
        while together := list(islice(remaining, TOGETHER)):
            part = BatchPart()
            verdicts: list[Verdict | None] = []
            try:
                for few in _slices(together):
                    self._read_items(part, few, sender)
                    await trio.lowlevel.checkpoint()
                for group in _groups(part.requests):
                    verdicts += await self._submit(group)
            except Exception as failure:
                if not (verdicts or report):
                    raise
                # Earlier events may be stored, so the answer must have their results.
                failed(ROUTE, failure)
            report.add(part.given(verdicts, len(together)))
        return report.answer()

    async def _submit(self, requests: Sequence[EventRequest]) -> Sequence[Verdict | None]:
        try:
            return await self._collector.intake.submit(*requests)
        except OverloadedError:
            return [None] * sum(len(request.domains) for request in requests)

    def _read_items(self, part: BatchPart, items: Sequence[Item], sender: Sender) -> None:
        for item in items:
            try:
                part.add(read_item(item, sender))
            except InvalidRequest as invalid:
                self._events.count_mistakes(invalid.errors)
                part.results.append({"status": "invalid", "errors": dict(invalid.errors)})


def _refused(failure: Exception) -> Answer:
    """Return the answer to a batch that is refused as a whole because of its body."""
    match failure:
        case UnknownCodingError():
            return answer_error(415, "request", "Must be coded in gzip, zstd or not at all")
        case TooLargeError():
            return answer_error(413, "request", f"Must not have {failure}")
        case InvalidRequest():
            return answer_json(400, {"errors": dict(failure.errors)})
        case ValueError():
            return answer_error(400, "request", f"Unable to decompress: {failure}")
    return failed(ROUTE, failure)


async def _decompress(coding: str | None, body: bytes) -> bytes:
    """Decompress a body, in a thread if that may take long. See `decompress`."""
    if len(body) <= UNPACKED_AT_ONCE or coding is None:
        return decompress(coding, body, BATCH_BYTES)
    return await trio.to_thread.run_sync(partial(decompress, coding, body, BATCH_BYTES))


def _slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Split items into slices that are read between two checkpoints."""
    few: list[Item] = []
    size = 0
    for item in items:
        if few and (len(few) == READ_TOGETHER or size + len(item) > READ_BYTES):
            yield few
            few, size = [], 0
        few.append(item)
        size += len(item)
    yield few


def _groups(requests: Sequence[EventRequest]) -> Iterator[Sequence[EventRequest]]:
    """Split requests into groups that are sent together, since each may name many domains."""
    group: list[EventRequest] = []
    events = 0
    for request in requests:
        if group and events + len(request.domains) > TOGETHER:
            yield group
            group, events = [], 0
        group.append(request)
        events += len(request.domains)
    if group:
        yield group


def may_be_small(size: int, headers: Mapping[str, str]) -> bool:
    """Whether a batch may be small, by its size in bytes and its coding."""
    return size <= SMALL_BYTES and "content-encoding" not in headers


def is_small(headers: Mapping[str, str]) -> bool:
    """Whether a batch is small by its declared size."""
    length = headers.get("content-length", "")
    return length.isdigit() and int(length) <= SMALL_BYTES

"""`POST /api/events`: many events in one request, each with its own result."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

import msgspec
import trio

from actors.pipeline.intake import RETRY_AFTER_SECONDS, OverloadedError
from actors.pipeline.topology import Collector
from actors.pipeline.verdicts import Ticket
from ingest.http.admin import has_bearer_token
from ingest.http.answer import JSON, Answer, answer_error, answer_json
from ingest.http.event_endpoint import OVERLOADED, EventEndpoint, failed
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

TOGETHER: Final = 256
"""Events sent into the pipeline at a time; other requests run in between."""

READ_TOGETHER: Final = 32
"""Events read between two checkpoints, which takes about half a millisecond. A batch of no more is
small: it is handled like an event."""

READ_BYTES: Final = 16_384
"""Bytes of events read between two checkpoints, if there are more than one."""

SMALL_BYTES: Final = 8 * 1024
"""Maximum size of a small batch. No larger one is parsed to find out how many events it has."""

SMALL_COMMAS: Final = TOGETHER
"""Maximum number of commas in a small batch, since an event may name many domains."""

UNPACKED_AT_ONCE: Final = 4_096
"""Bytes of the largest compressed body that is decompressed on the event loop. Larger ones may hold
megabytes and take tens of milliseconds."""

AT_A_TIME: Final = 4
"""Maximum number of concurrent batches that are not small; further ones are answered with 503."""

_DAY: Final = 86_400

Result = dict[str, Any]
"""The result of an item: its `status`, with `reasons` or `errors`."""


class _Part:
    """Events that are sent into the pipeline together.

    Attributes:
        results: The results of all items so far; empty for those that wait for their verdicts.
        requests: The valid items.
    """

    __slots__ = ("_numbers", "requests", "results")

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.requests: list[EventRequest] = []
        self._numbers: list[int] = []

    def add(self, request: EventRequest) -> None:
        """Add a valid item."""
        self._numbers.append(len(self.results))
        self.requests.append(request)
        self.results.append({})

    def given(self, verdicts: Sequence[Verdict | None], items: int = 0) -> list[Result]:
        """Return the results of all items.

        Args:
            verdicts: A verdict for each domain of the requests, in order; None for those that the
                pipeline has not taken. Those that are missing at the end were not taken either.
            items: How many there are, if they could not all be read.
        """
        remaining = iter(verdicts)
        for number, request in zip(self._numbers, self.requests, strict=True):
            self.results[number] = _result(request, list(islice(remaining, len(request.domains))))
        self.results += [{"status": "unavailable"}] * (items - len(self.results))
        return self.results


class PendingBatch(msgspec.Struct, frozen=True, gc=False):
    """A small batch that waits for its verdicts.

    Attributes:
        part: Its events.
        ticket: The ticket under which it waits.
    """

    part: _Part
    ticket: Ticket


class BatchEndpoint:
    """Answers batches for one collector, with the single endpoint's rules for each event."""

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
        self._under_way = 0

    def refusal(
        self, headers: Mapping[str, str], client: ClientAddress, length: int | None
    ) -> Answer | None:
        """Return the answer to a batch that is refused before its body is read; else None.

        Args:
            headers: First occurrence of each header, by lower-case name.
            client: The client's address.
            length: Size of the body in bytes; None if it is not known.
        """
        refusal = self._events.refusal(headers, client)
        if refusal is None and (length is None or length > SMALL_BYTES) and not self._has_turn:
            return OVERLOADED
        return refusal

    @property
    def _has_turn(self) -> bool:
        return self._under_way < AT_A_TIME

    async def answer(
        self, headers: Mapping[str, str], client: ClientAddress, body: bytes
    ) -> Answer:
        """Parse, validate and send events into the pipeline; answer with the result of each.

        Never raises. `refusal` is asked first.

        Args:
            headers: First occurrence of each header, by lower-case name.
            client: The client's address.
            body: The raw body, possibly compressed.
        """
        ready = trio.Event()
        started = self.start(headers, client, body, ready.set)
        if started is None:
            return await self.answer_large(headers, client, body)
        if isinstance(started, Answer):
            return started
        await ready.wait()
        return self.finish(started)

    def start(
        self,
        headers: Mapping[str, str],
        client: ClientAddress,
        body: bytes,
        on_verdicts: Callable[[], object],
    ) -> Answer | PendingBatch | None:
        """Parse a small batch, validate its events and send them into the pipeline. Never raises.

        Args:
            headers: As in `answer`.
            client: The client's address.
            body: The raw body.
            on_verdicts: Called when `finish` can return the answer; see `Ticket`.

        Returns:
            The answer if there is nothing to wait for; the pending batch, for `finish`; None if the
            batch is not small, for `answer_large`.
        """
        if len(body) > SMALL_BYTES or "content-encoding" in headers:
            return None
        if body.count(b",") > SMALL_COMMAS:
            return None
        try:
            items = split_batch(headers.get("content-type"), body)
            if len(items) > READ_TOGETHER:
                return None
            part = _Part()
            self._read_items(part, items, self._sender(headers, client))
            ticket = None
            if part.requests:
                ticket = self._collector.intake.send(*part.requests, tell=on_verdicts)
        except OverloadedError:
            pass
        except Exception as failure:
            return _refused(failure)
        return _answer_of(part.given(())) if ticket is None else PendingBatch(part, ticket)

    def finish(self, pending: PendingBatch) -> Answer:
        """Return the answer to a batch whose verdicts are ready or whose wait has ended."""
        try:
            verdicts = self._collector.intake.outcome(pending.ticket)
        except OverloadedError:
            verdicts = []
        return _answer_of(pending.part.given(verdicts))

    async def answer_large(
        self, headers: Mapping[str, str], client: ClientAddress, body: bytes
    ) -> Answer:
        """As `answer`, for a batch that is not small; a few of them at a time."""
        if not self._has_turn:
            return OVERLOADED  # others have come while the body was read
        self._under_way += 1
        try:
            content = await _decompress(headers.get("content-encoding"), body)
            for character in COUNTED:
                check_count(content, character)
                await trio.lowlevel.checkpoint()
            items = split_batch(headers.get("content-type"), content)
            return await self._take(items, self._sender(headers, client))
        except Exception as failure:
            return _refused(failure)
        finally:
            self._under_way -= 1

    def _sender(self, headers: Mapping[str, str], client: ClientAddress) -> Sender:
        now = self._collector.clock.seconds()
        is_admin = self._admin_token is not None and has_bearer_token(headers, self._admin_token)

        def may_set(domain: str) -> bool:
            site = self._collector.reference.site(domain)
            key = site.server_key if site is not None else None
            return is_admin or (key is not None and has_bearer_token(headers, key))

        return Sender(
            received=now,
            oldest=now - self._past_days * _DAY,
            client_ip=client.ip,
            user_agent=headers.get("user-agent"),
            ip_type=client.ip_type,
            may_set=may_set,
        )

    async def _take(self, items: Sequence[Item], sender: Sender) -> Answer:
        report = _Report()
        remaining = iter(items)
        while together := list(islice(remaining, TOGETHER)):
            part = _Part()
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

    def _read_items(self, part: _Part, items: Sequence[Item], sender: Sender) -> None:
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


def _result(request: EventRequest, given: Sequence[Verdict | None]) -> Result:
    verdicts = [verdict for verdict in given if verdict is not None]
    accepted = any(verdict.accepted for verdict in verdicts)
    if not verdicts or (not accepted and any(verdict.passing for verdict in verdicts)):
        return {"status": "unavailable"}
    reasons = {
        domain: verdict.reason.value
        for domain, verdict in zip(request.domains, verdicts, strict=True)
        if verdict.reason is not None
    }
    if not reasons:
        return {"status": "accepted"}
    return {"status": "accepted" if accepted else "dropped", "reasons": reasons}


class _Report:
    """The results of a batch as text, which takes a fraction of the memory and time at the end."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._reasons: set[str] = set()
        self._texts: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._texts)

    def add(self, results: Sequence[Result]) -> None:
        """Add results, in order."""
        self._counts.update(result["status"] for result in results)
        self._reasons.update(
            reason for result in results for reason in result.get("reasons", {}).values()
        )
        self._texts.append(json.dumps(results)[1:-1])

    def answer(self) -> Answer:
        """Answer 202 if one was accepted or dropped, else 503 if one was unavailable, else 400."""
        counts = {
            status: self._counts[status]
            for status in ("accepted", "dropped", "invalid", "unavailable")
        }
        text = f'{json.dumps(counts)[:-1]}, "results": [{", ".join(self._texts)}]}}'
        headers: tuple[tuple[str, str], ...] = ()
        if counts["accepted"] or counts["dropped"]:
            status = 202
        elif counts["unavailable"]:
            status, headers = 503, (("retry-after", str(RETRY_AFTER_SECONDS)),)
        else:
            status = 400
        return Answer(status, text.encode(), JSON, headers, tuple(sorted(self._reasons)))


def _answer_of(results: Sequence[Result]) -> Answer:
    report = _Report()
    report.add(results)
    return report.answer()

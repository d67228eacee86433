"""`POST /api/events`: many events in one request, each with its own result."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

import trio

from actors.pipeline.intake import RETRY_AFTER_SECONDS, OverloadedError
from actors.pipeline.topology import Collector
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

PARSED_TOGETHER: Final = 32
"""Events parsed between two checkpoints, which takes about half a millisecond."""

PARSED_BYTES: Final = 16_384
"""Bytes of events parsed between two checkpoints, if there are more than one."""

UNPACKED_AT_ONCE: Final = 4_096
"""Bytes of the largest compressed body that is decompressed on the event loop. Larger ones may hold
megabytes and take tens of milliseconds."""

AT_A_TIME: Final = 4
"""Maximum number of concurrent batches; further ones are answered with 503."""

_DAY: Final = 86_400

Result = dict[str, Any]
"""The result of an item: its `status`, with `reasons` or `errors`."""


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

    def refusal(self, headers: Mapping[str, str], client: ClientAddress) -> Answer | None:
        """Return the answer to a batch that is refused whatever its body; else None."""
        refusal = self._events.refusal(headers, client)
        if refusal is None and self._under_way >= AT_A_TIME:
            return OVERLOADED
        return refusal

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
        if self._under_way >= AT_A_TIME:
            return OVERLOADED  # others have come while the body was read
        self._under_way += 1
        try:
            content = await _decompress(headers.get("content-encoding"), body)
            for character in COUNTED:
                check_count(content, character)
                await trio.lowlevel.checkpoint()
            items = split_batch(headers.get("content-type"), content)
            return await self._take(items, self._sender(headers, client))
        except UnknownCodingError:
            return answer_error(415, "request", "Must be coded in gzip, zstd or not at all")
        except TooLargeError as error:
            return answer_error(413, "request", f"Must not have {error}")
        except InvalidRequest as invalid:
            return answer_json(400, {"errors": dict(invalid.errors)})
        except ValueError as error:
            return answer_error(400, "request", f"Unable to decompress: {error}")
        except Exception as failure:
            return failed(ROUTE, failure)
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
        while part := list(islice(remaining, TOGETHER)):
            report.add(await self._take_part(part, sender))
        return report.answer()

    async def _take_part(self, items: Sequence[Item], sender: Sender) -> list[Result]:
        results: list[Result] = [{} for _ in items]
        requests: list[tuple[int, EventRequest]] = []
        size = 0
        for number, item in enumerate(items):
            size += len(item)
            if number % PARSED_TOGETHER == 0 or size > PARSED_BYTES:
                await trio.lowlevel.checkpoint()
                size = len(item)
            try:
                requests.append((number, read_item(item, sender)))
            except InvalidRequest as invalid:
                self._events.count_mistakes(invalid.errors)
                results[number] = {"status": "invalid", "errors": dict(invalid.errors)}
        for group in _groups(requests):
            try:
                verdicts = await self._collector.intake.submit(*(one for _, one in group))
            except OverloadedError:
                verdicts = []
            given = iter(verdicts)
            for number, request in group:
                results[number] = _result(request, list(islice(given, len(request.domains))))
        return results


async def _decompress(coding: str | None, body: bytes) -> bytes:
    """Decompress a body, in a thread if that may take long. See `decompress`."""
    if len(body) <= UNPACKED_AT_ONCE or coding is None:
        return decompress(coding, body, BATCH_BYTES)
    return await trio.to_thread.run_sync(partial(decompress, coding, body, BATCH_BYTES))


def _groups(
    requests: Sequence[tuple[int, EventRequest]],
) -> Iterator[list[tuple[int, EventRequest]]]:
    """Split requests into groups that are sent together, since each may name many domains."""
    group: list[tuple[int, EventRequest]] = []
    events = 0
    for number, request in requests:
        if group and events + len(request.domains) > TOGETHER:
            yield group
            group, events = [], 0
        group.append((number, request))
        events += len(request.domains)
    if group:
        yield group


def _result(request: EventRequest, verdicts: Sequence[Verdict]) -> Result:
    if not verdicts or any(verdict.passing for verdict in verdicts):
        return {"status": "unavailable"}
    reasons = {
        domain: verdict.reason.value
        for domain, verdict in zip(request.domains, verdicts, strict=True)
        if verdict.reason is not None
    }
    if not reasons:
        return {"status": "accepted"}
    accepted = any(verdict.accepted for verdict in verdicts)
    return {"status": "accepted" if accepted else "dropped", "reasons": reasons}


class _Report:
    """The results of a batch as text, which takes a fraction of the memory and time at the end."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._reasons: set[str] = set()
        self._texts: list[str] = []

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

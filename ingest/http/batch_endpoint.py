"""`POST /api/events`: many events in one request, each with its own result."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import trio
from msgspec.structs import replace

from actors.pipeline.intake import RETRY_AFTER_SECONDS, OverloadedError
from actors.pipeline.topology import Collector
from ingest.http.admin import has_bearer_token
from ingest.http.answer import Answer, answer_error, answer_json
from ingest.http.event_endpoint import OVERLOADED, EventEndpoint
from ingest.model.event import EventRequest
from ingest.model.verdict import Verdict
from ingest.request.batch import BATCH_BYTES, Sender, read_item, split_batch
from ingest.request.client_address import ClientAddress
from ingest.request.compression import TooLargeError, UnknownCodingError, decompress
from ingest.request.invalid import InvalidRequest

ROUTE: Final = "/api/events"

TOGETHER: Final = 256
"""Events sent into the pipeline at a time; other requests run in between."""

PARSED_TOGETHER: Final = 32
"""Events parsed between two checkpoints, which takes about half a millisecond."""

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

    async def answer(
        self, headers: Mapping[str, str], client: ClientAddress, body: bytes
    ) -> Answer:
        """Parse, validate and send events into the pipeline; answer with the result of each.

        Args:
            headers: First occurrence of each header, by lower-case name.
            client: The client's address.
            body: The raw body, possibly compressed.
        """
        refusal = self._events.refusal(headers, client)
        if refusal is not None:
            return refusal
        if self._under_way >= AT_A_TIME:
            return OVERLOADED
        self._under_way += 1
        try:
            content = decompress(headers.get("content-encoding"), body, BATCH_BYTES)
            items = split_batch(headers.get("content-type"), content)
            return _report(await self._take(items, self._sender(headers, client)))
        except UnknownCodingError:
            return answer_error(415, "request", "Must be coded in gzip, zstd or not at all")
        except TooLargeError as error:
            return answer_error(413, "request", f"Must not have {error}")
        except InvalidRequest as invalid:
            return answer_json(400, {"errors": dict(invalid.errors)})
        except ValueError as error:
            return answer_error(400, "request", f"Unable to decompress: {error}")
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

    async def _take(self, items: Sequence[object], sender: Sender) -> list[Result]:
        results: list[Result] = []
        remaining = iter(items)
        while part := list(islice(remaining, TOGETHER)):
            results += await self._take_part(part, sender)
        return results

    async def _take_part(self, items: Sequence[object], sender: Sender) -> list[Result]:
        results: list[Result] = [{} for _ in items]
        requests: list[tuple[int, EventRequest]] = []
        for number, item in enumerate(items):
            if number % PARSED_TOGETHER == 0:
                await trio.lowlevel.checkpoint()
            try:
                requests.append((number, read_item(item, sender)))
            except InvalidRequest as invalid:
                self._events.count_mistakes(invalid.errors)
                results[number] = {"status": "invalid", "errors": dict(invalid.errors)}
        if requests:
            try:
                verdicts = await self._collector.intake.submit(*(one for _, one in requests))
            except OverloadedError:
                verdicts = []
            given = iter(verdicts)
            for number, request in requests:
                results[number] = _result(request, list(islice(given, len(request.domains))))
        return results


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


def _drop_reasons(results: Sequence[Result]) -> tuple[str, ...]:
    reasons = {reason for result in results for reason in result.get("reasons", {}).values()}
    return tuple(sorted(reasons))


def _report(results: list[Result]) -> Answer:
    """Answer 202 if an event was accepted or dropped, else 503 if one was unavailable, else 400."""
    counts = {
        status: sum(result["status"] == status for result in results)
        for status in ("accepted", "dropped", "invalid", "unavailable")
    }
    content = {**counts, "results": results}
    if counts["accepted"] or counts["dropped"]:
        return replace(answer_json(202, content), reasons=_drop_reasons(results))
    if counts["unavailable"]:
        return answer_json(503, content, {"retry-after": str(RETRY_AFTER_SECONDS)})
    return answer_json(400, content)

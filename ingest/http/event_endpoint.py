"""`POST /api/event`, for the fast path and for the application."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import structlog
import trio

from actors.pipeline.intake import RETRY_AFTER_SECONDS, OverloadedError
from actors.pipeline.topology import Collector
from actors.pipeline.verdicts import Ticket
from ingest.http.answer import Answer, answer_error, answer_json
from ingest.http.drop_reasons import HEADER, drops_of, header_value
from ingest.http.flood import FloodGuard
from ingest.http.operator import Operator
from ingest.http.responses import accepts_json
from ingest.model.event import EventRequest
from ingest.model.verdict import Verdict
from ingest.request.body import BODY_LIMIT, reads_raw
from ingest.request.client_address import ClientAddress, TrustedProxies, resolve_client_ip
from ingest.request.invalid import UNPARSABLE, InvalidRequest
from ingest.request.parse import parse_request
from ingest.telemetry.logs import stack_of

log = structlog.get_logger()

ROUTE = "/api/event"

ROOM_SECONDS: Final = 1.0
"""How long a request waits for room before it is refused. So each connection costs at most one
refusal in this time, however eagerly its client tries again."""

FLOODED: Final = 429

ACCEPTED = Answer(202, b"ok")

_ONE_ACCEPTED = [Verdict.of(None)]
"""The verdicts on most requests, which need no closer look."""

INTERNAL_ERROR = answer_error(500, "request", "Internal error")
NOT_ACCEPTABLE = answer_error(406, "request", "Must accept application/json")
OVERLOADED = answer_error(
    503,
    "request",
    "Cannot take events now, try again later",
    {"retry-after": str(RETRY_AFTER_SECONDS)},
)
TOO_LARGE = answer_error(413, "request", f"Must be at most {BODY_LIMIT} bytes")


def failed(route: str, failure: Exception) -> Answer:
    """Log an unexpected exception of a request, and return the answer."""
    log.error("request failed", path=route, error=type(failure).__name__, stack=stack_of(failure))
    return INTERNAL_ERROR


class PendingRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that waits for its verdicts.

    Attributes:
        ticket: The ticket under which it waits.
        operator_request: The request if it carries the operator's token, so that the answer says
            why events were dropped; else None.
    """

    ticket: Ticket
    operator_request: EventRequest | None


class EventEndpoint:
    """Answers requests for one collector, both for the fast path and for the application."""

    def __init__(
        self,
        collector: Collector,
        trusted_proxies: TrustedProxies,
        flood: FloodGuard | None = None,
        operator: Operator | None = None,
    ) -> None:
        """Create the endpoint of a collector.

        Args:
            collector: Receives the events.
            trusted_proxies: Proxies whose headers are trusted.
            flood: Limits the requests of one address; None: no limit.
            operator: Receives drop reasons in answers; None: nobody does.
        """
        self.trusted_proxies = trusted_proxies
        self._collector = collector
        self._intake, self._clock = collector.intake, collector.clock
        self._metrics = collector.metrics
        self._flood = flood
        self._operator = operator

    def client_of(
        self, headers: Mapping[str, str], lists: Mapping[str, str] | None, peer: str
    ) -> ClientAddress:
        """Return the client's address.

        Args:
            headers: First occurrence of each header, by lower-case name.
            lists: All occurrences of list headers, joined; None unless proxies are listed.
            peer: The address of the connection's peer.
        """
        return resolve_client_ip(headers, peer, self.trusted_proxies, lists)

    @property
    def is_closed(self) -> bool:
        """Whether the server stops, and takes no events any more."""
        return not self._intake.is_open

    @property
    def room(self) -> int:
        """How many requests the pipeline takes now. Asking costs as much as a step of it."""
        return self._intake.room if self._collector.accepting else 0

    async def refusal_after_wait(
        self, headers: Mapping[str, str], client: ClientAddress
    ) -> Answer | None:
        """As `refusal`; but a request waits for room, and one of a flood for its refusal."""
        refusal = self.refusal(headers, client, has_room=self.room > 0)
        if refusal is None or refusal is NOT_ACCEPTABLE or self.is_closed:
            return refusal
        with trio.move_on_after(ROOM_SECONDS):
            # No event tells of room: on this path, requests are few.
            while refusal.status == FLOODED or not self.room:  # noqa: ASYNC110 - as above
                await trio.sleep(ROOM_SECONDS / 10)
            return self.refusal(headers, client, has_room=True)
        return refusal

    def refusal(
        self, headers: Mapping[str, str], client: ClientAddress, *, has_room: bool
    ) -> Answer | None:
        """Return the answer to a request that is refused whatever its body; else None."""
        if not accepts_json(headers.get("accept")):
            return NOT_ACCEPTABLE
        if not has_room:
            return OVERLOADED
        if self._flood is None:
            return None
        wait = self._flood.seconds_to_wait(client.ip, trio.current_time())
        if not wait:
            return None
        self._metrics.requests_refused.labels("flood").inc()
        message = "Too many requests from this address"
        return answer_error(FLOODED, "request", message, {"retry-after": str(wait)})

    def too_large(self, headers: Mapping[str, str]) -> Answer:
        """Return the answer to a request whose body exceeds the limit."""
        return self._invalid(UNPARSABLE) if reads_raw(headers.get("content-type")) else TOO_LARGE

    async def answer(
        self, headers: Mapping[str, str], client: ClientAddress, body: bytes
    ) -> Answer:
        """Parse, validate, send into the pipeline, and wait for the verdicts. Never raises."""
        ready = trio.Event()
        started = self.start(headers, client, body, ready.set, trio.current_time())
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
        now: float,
    ) -> Answer | PendingRequest:
        """Parse, validate and send into the pipeline. Never raises.

        Args:
            headers: As in `client_of`.
            client: The client's address.
            body: The raw body.
            on_verdicts: Called when `finish` can return the answer; see `Ticket`.
            now: On trio's clock.

        Returns:
            The answer if there is nothing to wait for; else the pending request, for `finish`.
        """
        try:
            request = parse_request(
                headers.get("content-type"),
                body,
                timestamp=self._clock.seconds_at(now),
                client_ip=client.ip,
                user_agent=headers.get("user-agent"),
                ip_type=client.ip_type,
            )
            ticket = self._intake.send(request, tell=on_verdicts, now=now)
            has_token = self._operator is not None and self._operator.has_token(headers)
            return PendingRequest(ticket, request if has_token else None)
        except InvalidRequest as invalid:
            return self._invalid(invalid.errors)
        except OverloadedError:
            return OVERLOADED
        except Exception as failure:
            return failed(ROUTE, failure)

    def finish(self, pending: PendingRequest) -> Answer:
        """Return the answer to a request whose verdicts are ready or whose wait has ended."""
        if pending.ticket.verdicts == _ONE_ACCEPTED:
            return ACCEPTED
        try:
            verdicts = self._intake.outcome(pending.ticket)
        except OverloadedError:
            return OVERLOADED
        reasons = [verdict.reason.value for verdict in verdicts if verdict.reason is not None]
        if not reasons:
            return ACCEPTED
        headers = [("x-plausible-dropped", str(len(reasons)))]
        if pending.operator_request is not None:
            headers.append((HEADER, header_value(drops_of(pending.operator_request, verdicts))))
        return Answer(202, b"ok", headers=tuple(headers), reasons=tuple(reasons))

    def count_mistakes(self, errors: Mapping[str, list[str]]) -> None:
        """Count the invalid fields of an event."""
        for field in errors:
            self._metrics.validation_errors.labels(field).inc()

    def _invalid(self, errors: Mapping[str, list[str]]) -> Answer:
        self.count_mistakes(errors)
        return answer_json(400, {"errors": dict(errors)})

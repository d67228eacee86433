"""Optional OpenTelemetry traces. Only this module imports OpenTelemetry's packages.

Spans are created at the end of a request or an insert, with its start time. So OpenTelemetry does
not run before that, and does not run at all while traces are off.
"""

import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

import structlog
import trio

from actors.supervision.traces import Outcome
from ingest import __version__
from ingest.http.request_observers import CompletedRequest
from ingest.rows.batch import Insert, Trigger
from ingest.settings import Settings
from ingest.telemetry.request_id import CURRENT

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = structlog.get_logger()

NOT_INSTALLED: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: no traces; "
    "pip install 'sluice-collector[telemetry]'"
)

CLOSE_SECONDS: Final = 1.0
"""How long the process waits at its end until spans have been sent. Unsent spans are lost."""

_PATH: Final = "/v1/traces"
_OUR_FAULT: Final = 500


class Telemetry:
    """Creates spans of inserts, restarts and a share of the requests."""

    def __init__(
        self,
        provider: "TracerProvider",
        share: float,
        *,
        now: Callable[[], int] = time.time_ns,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Create spans for a provider.

        Args:
            provider: Sends the spans.
            share: Share of the requests without a parent trace that are traced, from 0 to 1.
            now: Returns the time in nanoseconds since 1970.
            chance: Returns random numbers from 0 to 1.
        """
        from opentelemetry import trace
        from opentelemetry.context import Context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = provider.get_tracer("sluice", __version__)
        self._share = share
        self._now = now
        self._chance = chance
        self._kind, self._status, self._code = trace.SpanKind, trace.Status, trace.StatusCode
        self._current_span: Callable[[Any], Any] = trace.get_current_span
        self._nowhere = Context()
        self._propagator = TraceContextTextMapPropagator()

    def inserted(
        self, insert: Insert, trigger: Trigger | None, outcome: Outcome, seconds: float
    ) -> None:
        """See `actors.supervision.traces.Tracing`."""
        attributes = {
            "db.system.name": "clickhouse",
            "db.operation.name": "INSERT",
            "db.collection.name": insert.table,
            "sluice.rows": len(insert.rows),
            "sluice.token": insert.token,
            "sluice.outcome": outcome,
        }
        if trigger is not None:
            attributes["sluice.trigger"] = trigger.value
        self._span(
            f"INSERT {insert.table}",
            self._kind.CLIENT,
            seconds,
            attributes,
            failed=outcome != "stored",
        )

    def restarted(self, actor: str) -> None:
        """See `actors.supervision.traces.Tracing`."""
        attributes = {"sluice.actor": actor}
        self._span("restart", self._kind.INTERNAL, 0.0, attributes, failed=True)

    def __call__(self, completed: CompletedRequest) -> None:
        """Trace a request if its parent trace is sampled; without a parent trace, at random."""
        context = self._parent(completed.traceparent)
        if context is None and self._chance() >= self._share:
            return
        if context is not None and not self._parent_span(context).trace_flags.sampled:
            return
        current = CURRENT.get()
        attributes: dict[str, Any] = {
            "http.request.method": completed.method,
            "http.route": completed.route,
            "http.response.status_code": completed.status,
        }
        if current is not None:
            attributes["sluice.request_id"] = current.text
        if completed.reasons:
            attributes["sluice.dropped"] = completed.reasons
        self._span(
            f"{completed.method} {completed.route}",
            self._kind.SERVER,
            completed.seconds,
            attributes,
            failed=completed.status >= _OUR_FAULT,
            context=context,
        )

    def _parent(self, traceparent: str | None) -> Any:
        """Return the context of a request's parent trace; None if it is missing or invalid."""
        if traceparent is None:
            return None
        context = self._propagator.extract({"traceparent": traceparent}, self._nowhere)
        return context if self._parent_span(context).is_valid else None

    def _parent_span(self, context: Any) -> Any:
        return self._current_span(context).get_span_context()

    def _span(
        self,
        name: str,
        kind: Any,
        seconds: float,
        attributes: dict[str, Any],
        *,
        failed: bool,
        context: Any = None,
    ) -> None:
        end = self._now()
        span = self._tracer.start_span(
            name,
            context=self._nowhere if context is None else context,
            kind=kind,
            attributes=attributes,
            start_time=end - int(seconds * 1e9),
        )
        if failed:
            span.set_status(self._status(self._code.ERROR))
        span.end(end)


@contextlib.asynccontextmanager
async def open_telemetry(settings: Settings) -> AsyncIterator[Telemetry | None]:
    """Yield the configured traces; None if they are off, or not installed, which is logged."""
    if settings.otlp_endpoint is None:
        yield None
        return
    try:
        provider = _provider(settings.otlp_endpoint)
    except ImportError:
        log.warning(NOT_INSTALLED)
        yield None
        return
    log.info("traces are sent", share_of_requests=settings.trace_requests)
    try:
        yield Telemetry(provider, settings.trace_requests)
    finally:
        # Sending may hang; its threads do not keep the process alive.
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await trio.to_thread.run_sync(provider.shutdown, abandon_on_cancel=True)


def _provider(endpoint: str) -> "TracerProvider":
    """Return a provider that sends spans to an endpoint from a thread.

    OTEL_… variables set its queue, its headers and so on.

    Raises:
        ImportError: The packages are missing.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    ours = Resource({"service.name": "sluice", "service.version": __version__})
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # sampling was decided before the span was created
        resource=ours.merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _PATH)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider

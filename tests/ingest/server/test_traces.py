import sys
import threading
from typing import Any

import pytest
import trio
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ingest.http.request_observers import CompletedRequest
from ingest.rows.batch import Insert, Trigger
from ingest.server.traces import Telemetry, open_telemetry
from ingest.settings import Settings
from ingest.telemetry.request_id import CURRENT, RequestId

NOW = 1_790_078_400_000_000_000
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


class Traced:
    """Telemetry whose spans stay here."""

    def __init__(self, share: float = 0.0) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.telemetry = Telemetry(provider, share, now=lambda: NOW, chance=lambda: 0.5)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("stored", StatusCode.UNSET),
        ("unavailable", StatusCode.ERROR),
        ("refused", StatusCode.ERROR),
    ],
)
def test_an_insert(outcome: Any, status: StatusCode) -> None:
    traced = Traced()
    rows: Any = ((1,), (2,))
    traced.telemetry.inserted(
        Insert("events_v2", rows, "j-0-2-events"), Trigger.TIME, outcome, 0.25
    )
    (span,) = traced.spans
    assert (span.name, span.kind) == ("INSERT events_v2", SpanKind.CLIENT)
    assert (span.start_time, span.end_time) == (NOW - 250_000_000, NOW)
    assert span.status.status_code is status
    assert span.attributes == {
        "db.system.name": "clickhouse",
        "db.operation.name": "INSERT",
        "db.collection.name": "events_v2",
        "sluice.rows": 2,
        "sluice.token": "j-0-2-events",
        "sluice.outcome": outcome,
        "sluice.trigger": "time",
    }


def test_what_is_of_no_batch_has_no_trigger() -> None:
    traced = Traced()
    traced.telemetry.inserted(Insert("ingest_counters", (), "t"), None, "stored", 0.1)
    assert "sluice.trigger" not in (traced.spans[0].attributes or {})


def test_a_restart() -> None:
    traced = Traced()
    traced.telemetry.restarted("writer")
    (span,) = traced.spans
    assert (span.name, span.attributes) == ("restart", {"sluice.actor": "writer"})
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(
    ("traceparent", "share", "traced"),
    [
        pytest.param(None, 1.0, True, id="all"),
        pytest.param(None, 0.6, True, id="by chance"),
        pytest.param(None, 0.5, False, id="by chance not"),
        pytest.param(None, 0.0, False, id="none"),
        pytest.param(SAMPLED, 0.0, True, id="part of a sampled trace"),
        pytest.param(UNSAMPLED, 1.0, False, id="part of an unsampled trace"),
        pytest.param("00-zz", 1.0, True, id="unreadable"),
        pytest.param("00-zz", 0.0, False, id="unreadable, by chance not"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", 0.0, False, id="no trace"),
    ],
)
def test_which_requests(traceparent: str | None, share: float, traced: bool) -> None:
    tracing = Traced(share)
    tracing.telemetry(CompletedRequest("POST", "/api/event", 202, 0.001, (), traceparent))
    assert len(tracing.spans) == traced


def test_a_request() -> None:
    traced = Traced(1.0)
    name = RequestId(lambda: True)
    name.begin({"x-request-id": "abc"})
    token = CURRENT.set(name)
    traced.telemetry(CompletedRequest("POST", "/api/event", 503, 0.002, ("bot",), SAMPLED))
    CURRENT.reset(token)
    (span,) = traced.spans
    assert (span.name, span.kind) == ("POST /api/event", SpanKind.SERVER)
    assert (span.start_time, span.end_time) == (NOW - 2_000_000, NOW)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/api/event",
        "http.response.status_code": 503,
        "sluice.request_id": "abc",
        "sluice.dropped": ("bot",),
    }
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN


def test_a_request_without_a_trace_begins_one() -> None:
    traced = Traced(1.0)
    traced.telemetry(CompletedRequest("GET", "/health", 200, 0.001))
    assert traced.spans[0].parent is None


def settings(monkeypatch: pytest.MonkeyPatch, endpoint: str | None) -> Settings:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    if endpoint is not None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    return Settings()


async def test_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_telemetry(settings(monkeypatch, None)) as telemetry:
        assert telemetry is None


@pytest.fixture
def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("_not_installed")
async def test_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    async with open_telemetry(settings(monkeypatch, "http://127.0.0.1:4318")) as telemetry:
        assert telemetry is None
    assert "pip install 'sluice-collector[telemetry]'" in capsys.readouterr().out + caplog.text


async def test_a_hanging_receiver_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutdown, ended = TracerProvider.shutdown, threading.Event()

    def note_end(provider: TracerProvider) -> None:
        shutdown(provider)
        ended.set()

    monkeypatch.setattr(TracerProvider, "shutdown", note_end)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, _hang, [listener])
        endpoint = f"http://127.0.0.1:{port}"
        async with open_telemetry(settings(monkeypatch, endpoint)) as telemetry:
            assert telemetry is not None
            telemetry.restarted("writer")
        assert not ended.is_set()
        nursery.cancel_scope.cancel()


async def _hang(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()

"""Export of traces to an OTLP receiver over HTTP."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.end_to_end.sluice import Sluice
from tests.waiting import wait_until


class Receiver(HTTPServer):
    """Collects spans in a list of (name, attributes, trace id)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.services: set[str] = set()
        self.spans: list[tuple[str, dict[str, Any], str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for attribute in resource.resource.attributes:
                if attribute.key == "service.name":
                    self.services.add(attribute.value.string_value)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    found = {
                        one.key: one.value.string_value or one.value.int_value
                        for one in span.attributes
                    }
                    self.spans.append((span.name, found, span.trace_id.hex()))


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.take(body)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def stored_rows(receiver: Receiver) -> int:
    """Return how many events the inserts had."""
    return sum(
        found["sluice.rows"] for name, found, _ in receiver.spans if name == "INSERT events_v2"
    )


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_inserts_and_requests_are_traced(tmp_path: Path, receiver: Receiver) -> None:
    server = Sluice(
        tmp_path,
        "chdb://chdb",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_BSP_SCHEDULE_DELAY="100",
        SLUICE_TRACE_REQUESTS="0",
    )
    with server:
        parent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-request-id": "abc"}
        assert server.send().status_code == 202
        assert server.send(headers=parent).status_code == 202
        # All of them, since the end does not wait long for those that have not been sent.
        wait_until(
            lambda: (
                {"INSERT sessions_v2", "POST /api/event"} <= {name for name, _, _ in receiver.spans}
                and stored_rows(receiver) == 2
            ),
            server.log_text,
        )
        assert server.stop() == 0
    assert receiver.services == {"sluice"}
    requests = [span for span in receiver.spans if span[0] == "POST /api/event"]
    assert [(span[1]["sluice.request_id"], span[2]) for span in requests] == [("abc", TRACE)]
    inserts = [found for name, found, _ in receiver.spans if name == "INSERT events_v2"]
    assert stored_rows(receiver) == 2
    assert {found["sluice.outcome"] for found in inserts} == {"stored"}
    assert {found["sluice.trigger"] for found in inserts} <= {"time", "drain"}


def test_a_receiver_that_is_away_holds_nothing_up(tmp_path: Path) -> None:
    # A port that accepts connections and never answers.
    silent = HTTPServer(("127.0.0.1", 0), _Handler)
    server = Sluice(
        tmp_path,
        "chdb://chdb",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.server_port}",
        OTEL_EXPORTER_OTLP_TIMEOUT="3600",
        OTEL_BSP_SCHEDULE_DELAY="100",
        SLUICE_TRACE_REQUESTS="1",
        SLUICE_SHUTDOWN_SECONDS="10",
    )
    with server:
        assert server.send().status_code == 202
        server.events("pathname = '/'")
        # It waits less than the exporter would, which has an hour.
        assert server.stop() == 0
    silent.server_close()

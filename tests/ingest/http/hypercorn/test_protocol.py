"""What the server takes for a request, over real connections."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h11
import pytest
import trio

from ingest.http.hypercorn.protocol import HEAD_BYTES, HEADERS, refusal_of
from ingest.http.hypercorn.server import Server
from ingest.telemetry.metrics import Metrics
from tests.actors.pipeline.running_pipeline import Pipeline, running
from tests.ingest.http.application import Application
from tests.ingest.http.odd_requests import GET, LAST, ODD_REQUESTS, OddRequest, Read

STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
CASES = pytest.mark.parametrize("odd", ODD_REQUESTS.values(), ids=ODD_REQUESTS)


class Served:
    """An application on a socket."""

    def __init__(self, app: Any, listeners: list[trio.SocketListener]) -> None:
        self.metrics = Metrics(lambda domain: True)
        self.server = Server(app, listeners, self.metrics)
        self._port: int = listeners[0].socket.getsockname()[1]

    async def answer(self, sent: bytes) -> bytes:
        """What comes back until the server closes the connection."""
        received = b""
        with trio.fail_after(60):
            stream = await trio.open_tcp_stream("127.0.0.1", self._port)
            async with stream:
                await stream.send_all(sent)
                try:
                    async for chunk in stream:
                        received += chunk
                except trio.BrokenResourceError:
                    pass  # closed before it had read everything
        return received


class Recorder:
    """An application that notes what it is asked."""

    def __init__(self) -> None:
        self.read: list[Read] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        index = len(self.read)
        self.read.append((scope["method"], scope["path"], body))
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            self.read[index] = (scope["method"], scope["path"], body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def serve(nursery: trio.Nursery, app: Any) -> Served:
    served = Served(app, await trio.open_tcp_listeners(0, host="127.0.0.1"))
    await nursery.start(served.server.run)
    return served


@CASES
async def test_what_is_read(nursery: trio.Nursery, odd: OddRequest) -> None:
    recorder = Recorder()
    served = await serve(nursery, recorder)
    answer = await served.answer(odd.sent)
    statuses = [int(status) for status in STATUS.findall(answer)]
    whole = odd.read if odd.refused is None else odd.read[: len(statuses) - 1]
    assert statuses == [200] * len(whole) + ([] if odd.refused is None else [odd.refused])
    # The application may not have been told yet of a request whose body turned out to be wrong.
    assert recorder.read == list(odd.read)[: len(recorder.read)]
    assert len(recorder.read) >= len(whole)
    if odd.refused is not None:
        head, _, body = answer.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
        assert b"connection: close" in head.lower()
        assert b"access-control-allow-origin: *" in head
        # The answer to a HEAD has no body.
        if body or not odd.sent.startswith(b"HEAD"):
            assert json.loads(body)["errors"]["request"]
    assert served.metrics.registry.get_sample_value("sluice_connection_errors_total") == 0
    assert STATUS.findall(await served.answer(LAST)) == [b"200"]
    nursery.cancel_scope.cancel()


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with running(Pipeline(tmp_path)) as pipeline:
        yield Application(pipeline)


@CASES
async def test_the_application_survives(
    nursery: trio.Nursery, application: Application, odd: OddRequest
) -> None:
    served = await serve(nursery, application.app)
    answer = await served.answer(odd.sent)
    statuses = {int(status) for status in STATUS.findall(answer)}
    assert statuses
    assert not {status for status in statuses if status >= 500} - {501}
    # Nothing that the client sent is in the answer, so no line end of its own either.
    assert b"x: y" not in answer
    closing = GET + b"connection: close\r\n\r\n"
    assert STATUS.findall(await served.answer(closing)) == [b"200"]
    nursery.cancel_scope.cancel()


async def test_a_client_that_leaves_in_the_middle_of_a_body(nursery: trio.Nursery) -> None:
    recorder = Recorder()
    served = await serve(nursery, recorder)
    for _ in range(20):
        stream = await trio.open_tcp_stream("127.0.0.1", served._port)
        await stream.send_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\n\r\n{}")
        await trio.aclose_forcefully(stream)
    assert STATUS.findall(await served.answer(LAST)) == [b"200"]
    assert served.metrics.registry.get_sample_value("sluice_connection_errors_total") == 0
    nursery.cancel_scope.cancel()


HEADER = (b"x", b"1")
HOST = (b"host", b"a")


@pytest.mark.parametrize(
    ("headers", "version", "status"),
    [
        ([], b"1.1", None),
        ([HEADER] * (HEADERS - 1), b"1.1", None),
        ([HEADER] * HEADERS, b"1.1", 431),
        ([(b"x", b"a" * (HEAD_BYTES - 100))], b"1.1", None),
        ([(b"x", b"a" * HEAD_BYTES)], b"1.1", 431),
        ([(b"x" * HEAD_BYTES, b"a")], b"1.1", 431),
        ([(b"Content-Length", b"3")], b"1.0", None),
        ([(b"Transfer-Encoding", b"chunked")], b"1.1", None),
        ([(b"Transfer-Encoding", b"chunked")], b"1.0", 400),
        ([(b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked")], b"1.1", 400),
        ([], b"2.0", 400),
    ],
)
def test_refusals(headers: list[tuple[bytes, bytes]], version: bytes, status: int | None) -> None:
    request = h11.Request(method="POST", target="/", headers=[HOST, *headers], http_version=version)
    refusal = refusal_of(request)
    assert (None if refusal is None else refusal.status) == status

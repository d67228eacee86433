"""The route through which the command line runs an import in the server."""

import json
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

import trio
from quart import Response, request
from quart.wrappers.response import ResponseBody
from quart_trio import QuartTrio

from actors.imports.importer import Importer, Report
from ingest.http.asgi_request import read_body
from ingest.http.interruption import UnwantedError, while_wanted
from ingest.http.operator import Operator
from ingest.http.responses import error
from ingest.past.import_progress import ImportProgress
from ingest.past.import_request import ImportRequest

ROUTE = "/api/imports"

CONTENT_TYPE: Final = "application/x-ndjson"


class ImportStream(ResponseBody):
    """A response that runs an import, and says how far it is, in lines of JSON.

    Each line has either `progress` or, as the last one, `error`. If the client hangs up, the import
    is cancelled. If the server stops, the response ends early.
    """

    def __init__(self, importer: Importer, wanted: ImportRequest, scope: Any) -> None:
        """Create a stream; the import starts when the response begins.

        Args:
            importer: Runs the import.
            wanted: What to import.
            scope: The request's ASGI scope.
        """
        self._importer = importer
        self._wanted = wanted
        self._scope = scope
        self._following = AsyncExitStack()
        self._reports: trio.MemoryReceiveChannel[Report] | None = None

    async def __aenter__(self) -> Self:
        following = self._importer.follow(self._wanted)
        self._reports = await self._following.enter_async_context(following)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._following.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        assert self._reports is not None  # noqa: S101 - the response has begun
        try:
            report = await while_wanted(self._scope, self._reports.receive)
        except (trio.EndOfChannel, UnwantedError):
            raise StopAsyncIteration from None
        if isinstance(report, ImportProgress):
            line: dict[str, Any] = {"progress": report.to_json()}
        else:
            line = {"error": str(report)}
        return json.dumps(line).encode() + b"\n"


def add_import_routes(app: QuartTrio, importer: Importer, operator: Operator) -> None:
    """Add the route that runs an import.

    It answers the command line only, because a client can make the server read any file that the
    server has access to, and learn its number of lines.

    Args:
        app: The application.
        importer: Runs imports.
        operator: Checks the client.
    """

    @app.post(ROUTE)
    async def run_import() -> Response:
        if not operator.is_authorized_command():
            return operator.denial()
        try:
            wanted = ImportRequest.from_json(json.loads(await read_body()))
        except (ValueError, RecursionError) as mistake:
            return error(400, "import", str(mistake))
        headers = {"content-type": CONTENT_TYPE, "cache-control": "no-store"}
        response = Response(ImportStream(importer, wanted, request.scope), 200, headers)
        response.timeout = None
        return response

"""The route through which the command line imports Plausible's export in the server."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import msgspec
import trio
from quart import Response
from quart_trio import QuartTrio

from actors.imports.export_import import ExportMistakeError, import_export
from actors.stores.store import ImportStore, StoreError
from ingest.http.asgi_request import read_body
from ingest.http.operator import Operator
from ingest.http.responses import error
from ingest.past.export_progress import ExportRequest, ExportStep
from ingest.pipeline.reference import Reference

ROUTE: Final = "/api/imported"

NO_STORE: Final = (
    "a front has no store: run the command where CLICKHOUSE_URL names the cluster's database"
)


def add_export_routes(
    app: QuartTrio, reference: Reference, store: ImportStore | None, operator: Operator
) -> None:
    """Add the route that imports an export, and answers with its progress as JSON lines.

    It answers the command line only, because a client can make the server read any ZIP file that
    the server has access to. When the client hangs up, the import ends; the same request goes on.

    Args:
        app: The application.
        reference: Has the sites.
        store: Where the rows belong; None if this process has none, which the command is told.
        operator: Checks the client.
    """
    one = trio.Semaphore(1)

    async def steps(request: ExportRequest) -> AsyncIterator[bytes]:
        try:
            one.acquire_nowait()
        except trio.WouldBlock:
            yield _line(ExportStep(mistake="another export is being imported; try again later"))
            return
        try:
            async with aclosing(import_export(request, reference.registry, store)) as progress:
                async for step in progress:
                    yield _line(ExportStep(step))
        except ExportMistakeError as mistake:
            yield _line(ExportStep(mistake=str(mistake)))
        except StoreError as failure:
            yield _line(ExportStep(failure=str(failure)))
        finally:
            one.release()

    @app.post(ROUTE)
    async def import_file() -> Response:
        if not operator.is_authorized_command():
            return operator.denial()
        if store is None:
            return error(501, "import", NO_STORE)
        try:
            request = msgspec.json.decode(await read_body(), type=ExportRequest)
        except (ValueError, RecursionError) as mistake:
            return error(400, "import", str(mistake))
        response = Response(steps(request), 200, content_type="application/x-ndjson")
        response.timeout = None
        return response


def _line(step: ExportStep) -> bytes:
    return msgspec.json.encode(step) + b"\n"

"""The routes through which the command line runs imports in the server."""

import json
from typing import Final

from quart import Response
from quart_trio import QuartTrio

from actors.imports.job import ImportMistakeError
from actors.imports.service import ImportBusyError, ImportService, NoSuchImportError
from ingest.http.asgi_request import read_body
from ingest.http.operator import Operator
from ingest.http.responses import error, json_response
from ingest.past.import_request import ImportRequest

ROUTE = "/api/imports"

NO_IMPORTS: Final = (
    "imports into a cluster are not possible yet: import with a single process into the same "
    "database before the cluster starts, or send past events as POST /api/events"
)

ADVANCE_SECONDS = 0.5
"""How long the server works on an import before it answers with the progress."""


def add_import_routes(app: QuartTrio, service: ImportService | None, operator: Operator) -> None:
    """Add the routes that begin, advance and leave an import.

    They answer the command line only, because a client can make the server read any file that the
    server has access to, and learn its number of lines.

    Args:
        app: The application.
        service: Runs the imports; None if this process cannot, which the command is told.
        operator: Checks the client.
    """

    def refusal() -> Response | None:
        return None if operator.is_authorized_command() else operator.denial()

    if service is None:

        @app.post(ROUTE)
        async def refuse_import() -> Response:
            return refusal() or error(501, "import", NO_IMPORTS)

        return

    @app.post(ROUTE)
    async def begin_import() -> Response:
        if (refused := refusal()) is not None:
            return refused
        try:
            request = ImportRequest.from_json(json.loads(await read_body()))
            ticket, progress = await service.begin(request)
        except (ImportMistakeError, ValueError, RecursionError) as mistake:
            return error(400, "import", str(mistake))
        except ImportBusyError as busy:
            return error(409, "import", str(busy))
        return json_response(201, {"ticket": ticket, "progress": progress.to_json()})

    @app.post(f"{ROUTE}/<ticket>")
    async def advance_import(ticket: str) -> Response:
        if (refused := refusal()) is not None:
            return refused
        try:
            progress = await service.advance(ticket, ADVANCE_SECONDS)
        except ImportMistakeError as mistake:
            return error(400, "import", str(mistake))
        except NoSuchImportError:
            return error(410, "import", "no such import is under way")
        except ImportBusyError as busy:
            return error(409, "import", str(busy))
        return json_response(200, {"progress": progress.to_json()})

    @app.delete(f"{ROUTE}/<ticket>")
    async def leave_import(ticket: str) -> Response:
        if (refused := refusal()) is not None:
            return refused
        service.end(ticket)
        return json_response(200, {})

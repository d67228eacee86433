"""The application over a whole pipeline, asked without sockets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from quart import Response
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers

from actors.keepers.file_watcher import FileWatcher
from actors.keepers.other_servers import OtherServers
from ingest.http.app import create_app
from ingest.http.batch_endpoint import BatchEndpoint
from ingest.http.event_endpoint import EventEndpoint
from ingest.http.health import Health
from ingest.http.live.status import LiveStatus
from ingest.http.operator import Operator
from ingest.http.request_observers import RequestObserver
from ingest.request.client_address import TrustedProxies
from ingest.rows.servers import Server
from ingest.server.web import flood_guard
from ingest.setting_display import ShownSetting
from tests.actors.pipeline.running_pipeline import Pipeline

CHROME = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_4) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/70.0.3538.110 Safari/537.36"
)
PEER = "203.0.113.9"
COMMAND_TOKEN = "command-token"
SETTINGS = (ShownSetting("PORT", "8000", given=False, meaning="where to listen"),)
EVENT: dict[str, Any] = {
    "name": "pageview",
    "url": "https://example.com/page",
    "domain": "example.com",
}


def a_reload(name: str) -> FileWatcher[Any]:
    """A watch of a file that is not there and never looked for."""
    return FileWatcher(name, Path(name), lambda path: path, lambda _: None, mistakes=(), known=None)


@dataclass(frozen=True, slots=True)
class HTTPAnswer:
    """A response, read to its end."""

    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Application:
    """The application and what it is made of."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        token: str | None = None,
        geo: bool = False,
        trusted: str = "all",
        flood: int = 0,
        observers: Sequence[RequestObserver] = (),
        with_store: bool = True,
    ) -> None:
        self.pipeline = pipeline
        self.sites = a_reload("sites_file")
        self.geo = a_reload("geo_database") if geo else None
        self.others = OtherServers(pipeline.store, Server("process", "directory", "here:8000"))
        self.health = Health(pipeline.collector, self.sites, self.geo, self.others)
        operator = Operator(None if token is None else SecretStr(token), COMMAND_TOKEN)
        self.endpoint = EventEndpoint(
            pipeline.collector, TrustedProxies.parse(trusted), flood_guard(flood), operator
        )
        self.batches = BatchEndpoint(
            pipeline.collector, self.endpoint, admin_token=token, past_days=400
        )
        self.live = LiveStatus(pipeline.collector, self.health, SETTINGS, "1.2.3")
        self.app: QuartTrio = create_app(
            pipeline.collector,
            self.health,
            endpoint=self.endpoint,
            batches=self.batches,
            operator=operator,
            live=self.live,
            store=pipeline.store if with_store else None,
            version="1.2.3",
            observers=observers,
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        peer: str = PEER,
        scope: Mapping[str, Any] | None = None,
    ) -> HTTPAnswer:
        """Send one request from an ordinary browser and read the response."""
        client: Any = self.app.test_client()
        response: Response = await client.open(
            path,
            method=method,
            data=body,
            headers={"user-agent": CHROME, **(headers or {})},
            scope_base={"client": (peer, 50_000), **(scope or {})},
        )
        content = await response.get_data(as_text=False)
        assert isinstance(content, bytes)
        return HTTPAnswer(response.status_code, response.headers, content)

    async def post(self, headers: Mapping[str, str] | None = None, **changes: Any) -> HTTPAnswer:
        """Send an event as the trackers do."""
        body = json.dumps(EVENT | changes).encode()
        return await self.ask(
            "POST", "/api/event", body, {"content-type": "text/plain"} | dict(headers or {})
        )

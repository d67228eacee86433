"""A small web server, with a separate origin, for pages that tests open in a browser."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

HTML = "text/html; charset=utf-8"
SCRIPT = "text/javascript; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"


class Pages:
    """Serves the given content, for every host name that resolves to this machine."""

    def __init__(self, content: Mapping[str, str] | None = None) -> None:
        """Listen without serving yet.

        Args:
            content: Content by path. The path's extension determines the type; without one, the
                content is a page.
        """
        self.content = dict(content or {})
        self.pages_of_hosts: dict[str, str] = {}
        """The default content of all other paths, by host."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._server.server_address[1])

    def url(self, path: str = "/", host: str = "example.com") -> str:
        """Return the URL of a page for a browser that resolves every name to this machine."""
        return f"http://{host}:{self.port}{path}"

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pages = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                host = self.headers.get("host", "").partition(":")[0]
                content = pages.content.get(path, pages.pages_of_hosts.get(host))
                body = ("nothing here" if content is None else content).encode()
                self.send_response(404 if content is None else 200)
                self.send_header("content-type", type_of(path))
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler


def type_of(path: str) -> str:
    """Return the media type of a path's content."""
    name = path.rpartition("/")[2]
    if name.endswith(".js"):
        return SCRIPT
    return PLAIN if "." in name and not name.endswith(".html") else HTML

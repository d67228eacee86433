"""The operator's live page: `GET /`, its files, and its data, `GET /api/status`."""

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Final

from quart import Response, abort, request
from quart_trio import QuartTrio

from ingest.http.live.status import LiveStatus
from ingest.http.operator import Operator
from ingest.http.responses import empty, error, json_response, text

FILES: Final = resources.files("ingest.http.live") / "static"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No external or inline scripts, so that text from clients cannot run as a script."""

HTML: Final = "text/html; charset=utf-8"
_SINCE: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_STYLE: Final = re.compile(rb"<style>(.*?)</style>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page.

    Attributes:
        content: The file's bytes.
        content_type: The media type.
        etag: The entity tag, which changes with the content.
    """

    content: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, content_type: str) -> "Asset":
        """Return content with its entity tag."""
        return cls(
            content, content_type, f'"{hashlib.blake2s(content, digest_size=12).hexdigest()}"'
        )

    def response(self) -> Response:
        """Return the file, or 304 if the browser's copy is current (RFC 9110 §13.1.2)."""
        headers = {"cache-control": "private, no-cache", "etag": self.etag}
        known = request.headers.get("if-none-match", "")
        if self.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return empty(304, headers)
        return text(200, self.content, headers, self.content_type)


def add_live_page(app: QuartTrio, operator: Operator, live: LiveStatus) -> None:
    """Add the routes. All their URLs are relative, for proxies that add a path prefix.

    Args:
        app: The application.
        operator: Checks the client.
        live: The data that the page shows.
    """
    page = Asset.of((FILES / "index.html").read_bytes(), HTML)
    assets = read_assets()
    stranger = RefusalPage((FILES / "refusal.html").read_text())

    @app.get("/")
    async def live_page() -> Response:
        if not operator.is_authorized():
            return refuse_page(operator, stranger)
        response = page.response()
        response.headers["content-security-policy"] = PAGE_POLICY
        return response

    @app.get("/page/<name>")
    async def asset(name: str) -> Response:
        if (refusal := operator.refusal()) is not None:
            return refusal
        found = assets.get(name)
        return abort(404) if found is None else found.response()

    @app.get("/favicon.ico")
    async def icon() -> Response:
        return operator.refusal() or assets["icon.svg"].response()

    @app.get("/api/status")
    async def status() -> Response:
        if (refusal := operator.refusal()) is not None:
            return refusal
        since = request.args.get("since")
        if since is not None and not _SINCE.fullmatch(since):
            return error(400, "since", "Must be a time in whole Unix seconds")
        return json_response(200, live.report(None if since is None else int(since)))


def read_assets() -> dict[str, Asset]:
    """Return the files that the page requests, by name."""
    found = {}
    for file in FILES.iterdir():
        content_type = _TYPES.get("." + file.name.rpartition(".")[2])
        if content_type is not None:
            found[file.name] = Asset.of(file.read_bytes(), content_type)
    return found


class RefusalPage:
    """The page for browsers without access to the operator's pages."""

    def __init__(self, template: str) -> None:
        """Take the page's template.

        Args:
            template: HTML with the placeholders `{title}` and `{explanation}`. Its only style is
                inline, because only the operator can load files.
        """
        self._template = template
        match = _STYLE.search(template.encode())
        digest = hashlib.sha256(b"" if match is None else match[1]).digest()
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{base64.b64encode(digest).decode()}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def response(self, status: int, title: str, explanation: str) -> Response:
        """Return the page with a title and an explanation, both in HTML."""
        body = self._template.replace("{title}", title).replace("{explanation}", explanation)
        return text(status, body, {"content-security-policy": self.policy}, HTML)


def refuse_page(operator: Operator, page: RefusalPage) -> Response:
    """Refuse the page, in HTML if the client prefers HTML to JSON."""
    accepted = request.accept_mimetypes
    if accepted["text/html"] <= accepted["application/json"]:
        refusal = operator.refusal()
        assert refusal is not None, "asked about strangers only"  # noqa: S101
        return refusal
    if operator.token is None:
        return page.response(
            403,
            "This page is for this machine",
            "<p>No admin token is set, so Sluice shows its live page only on the machine that it "
            "runs on: open <code>http://localhost</code> with its port there, not through a proxy, "
            "or bring the port to your machine with <code>ssh -L 8000:localhost:8000</code>.</p>"
            "<p>To open it from elsewhere, set <code>SLUICE_ADMIN_TOKEN</code> to at least 16 "
            "characters and start Sluice again; then this page asks for it.</p>",
        )
    response = page.response(
        401,
        "Sign in",
        "<p>The live page is for the operator of this server. Load it again and give the value of "
        "<code>SLUICE_ADMIN_TOKEN</code> as the password; any user name will do.</p>",
    )
    operator.challenge(response)
    return response

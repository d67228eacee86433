"""Which of the requests in a web server's log are page views, and the events that they are."""

from dataclasses import dataclass
from typing import Any, Final

from ingest.model.event import PAGEVIEW
from ingest.past.log_address import LOCALHOST, UNIX_SOCKET, is_address
from ingest.past.past_event import (
    BrokenLineError,
    NoHostError,
    PastEvent,
    ReaderOptions,
    SkipReason,
    broken_by,
)
from ingest.request.client_address import resolve_client_ip
from ingest.request.invalid import InvalidRequest
from ingest.request.parse import parse_event

NOT_FOUND: Final = "404"
"""Name of the event for a page that is not there, as Plausible's trackers send it."""

_SHOWN: Final = frozenset({200, 304})
_PAGES: Final = ("text/html", "application/xhtml+xml")

_EXTENSIONS: Final = """
css js mjs cjs map wasm json jsonld webmanifest manifest xsl xslt txt xml rss atom ico cur
png apng jpg jpeg jpe gif svg svgz webp avif bmp tif tiff heic jxl woff woff2 ttf otf eot
mp3 m4a ogg oga opus wav flac mp4 m4v webm ogv mov avi mkv m3u8 mpd ts vtt srt
pdf ps epub mobi doc docx xls xlsx ppt pptx odt ods odp csv tsv ics vcf
zip gz tgz bz2 xz zst 7z rar tar dmg iso img exe msi apk ipa deb rpm jar whl
torrent sig asc pem crt key sql bak yaml yml toml ini log env swf
"""
ASSETS: Final = frozenset(_EXTENSIONS.split())
"""Extensions of what is no page, lower case. Programs that make pages (`.php`, `.aspx`) are not
among them, nor is what nobody has thought of."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request as web servers log it.

    Attributes:
        timestamp: Unix seconds.
        peer: Address of the connection's other end, or its name where the server has looked it up.
        method: As sent.
        target: Path and query, or a whole address.
        status: Of the response; 0 when the log does not say.
        host: That the request was for; empty when the log does not say.
        referrer: None when absent.
        user_agent: None when absent.
        forwarded: The `X-Forwarded-For` header; None when absent or not logged.
        content_type: Of the response; empty when absent or not logged.
        purpose: What the browser says that it fetches the page for; empty when it does not.
        client: The visitor's address, where the server has found it out by itself; None elsewhere.
    """

    timestamp: int
    peer: str
    method: str
    target: str
    status: int
    host: str
    referrer: str | None
    user_agent: str | None
    forwarded: str | None = None
    content_type: str = ""
    purpose: str = ""
    client: str | None = None


def pageview(logged: LoggedRequest, options: ReaderOptions) -> PastEvent | SkipReason:
    """The page view that a request was, or why it was none.

    Raises:
        BrokenLineError: It would not have been a valid event.
    """
    if logged.method != "GET":
        return SkipReason.METHOD
    host, target = logged.host, logged.target
    if not target.startswith("/"):
        # As clients write to a proxy (RFC 9112 §3.2.2); the log's host is the server's own then.
        scheme, separator, rest = target.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            return SkipReason.METHOD
        host, slash, path = rest.partition("/")
        target = slash + path
    path = target.partition("?")[0]
    if is_asset(path) or not is_page(logged.content_type):
        return SkipReason.ASSET
    if logged.status not in _SHOWN and not (options.with_not_found and logged.status == 404):
        return SkipReason.STATUS
    if "prefetch" in logged.purpose or logged.purpose in ("preview", "prerender"):
        return SkipReason.PREFETCH
    host = host.lower() or options.site or ""
    if not host:
        raise NoHostError("says nothing of the host: the site has to be named")
    fields: dict[str, Any] = {
        "n": PAGEVIEW,
        "u": f"https://{host}{target}",
        "d": options.site,
        "r": logged.referrer,
    }
    if logged.status == 404:
        fields |= {"n": NOT_FOUND, "p": {"path": path}}
    try:
        request = parse_event(
            fields,
            timestamp=logged.timestamp,
            client_ip=_visitor_address(logged, options),
            user_agent=logged.user_agent,
            ip_type=None,
            received=options.received,
        )
    except InvalidRequest as invalid:
        raise broken_by(invalid) from None
    return PastEvent(request)


def is_asset(path: str) -> bool:
    """Whether a path is that of no page, by its extension.

    Args:
        path: Without a query; not decoded.
    """
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    return dot >= 0 and name[dot + 1 :].lower() in ASSETS


def is_page(content_type: str) -> bool:
    """Whether a response's type is a page's; one that is not known may be."""
    return not content_type or content_type.lower().lstrip().startswith(_PAGES)


def _visitor_address(logged: LoggedRequest, options: ReaderOptions) -> str:
    if logged.client is not None:
        return logged.client
    peer, forwarded = logged.peer, logged.forwarded
    local = peer in (UNIX_SOCKET, LOCALHOST)
    # A name that the server has looked up is the visitor's: nobody knows it as a proxy's.
    if forwarded and forwarded != "-" and (local or is_address(peer)):
        listed = {"x-forwarded-for": forwarded}
        found = resolve_client_ip(listed, peer, options.proxies).ip
        if found:
            return found
    if peer == UNIX_SOCKET:
        raise BrokenLineError("has no address of the client")
    return peer

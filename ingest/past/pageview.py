"""Selects the pageviews among the requests in a web server's log, and makes events of them."""

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
"""Name of the event for a page that does not exist, as in Plausible's trackers."""

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
"""Extensions of files that are not pages, in lower case. A path with another extension, such as
`.php` or `.aspx`, counts as a page."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request in a web server's log.

    Attributes:
        timestamp: Unix seconds.
        peer: Address of the connection's peer, or its name if the server has resolved it.
        method: The method as sent.
        target: Path and query, or a full URL.
        status: Status of the response; 0 if there was no response.
        host: The requested host; empty if not logged.
        referrer: None when absent.
        user_agent: None when absent.
        forwarded: The `X-Forwarded-For` header; None when absent or not logged.
        content_type: Content type of the response; empty when absent or not logged.
        purpose: The `Sec-Purpose` header; empty when absent or not logged.
        client: The visitor's address, if the server has determined it; otherwise None.
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
    """Return the pageview of a request, or the reason why the request is not a pageview.

    Raises:
        BrokenLineError: The pageview would not be a valid event.
    """
    if logged.method != "GET":
        return SkipReason.METHOD
    host, target = logged.host, logged.target
    if not target.startswith("/"):
        # The form used with proxies (RFC 9112 §3.2.2). In this case the log's host is the server's.
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
    """Whether a path has the extension of a file that is not a page.

    Args:
        path: The path without the query, not decoded.
    """
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    return dot >= 0 and name[dot + 1 :].lower() in ASSETS


def is_page(content_type: str) -> bool:
    """Whether a response's content type is that of a page, or unknown."""
    return not content_type or content_type.lower().lstrip().startswith(_PAGES)


def _visitor_address(logged: LoggedRequest, options: ReaderOptions) -> str:
    if logged.client is not None:
        return logged.client
    peer, forwarded = logged.peer, logged.forwarded
    local = peer in (UNIX_SOCKET, LOCALHOST)
    # A name that the server has resolved is taken as the visitor's, not as a proxy's.
    if forwarded and forwarded != "-" and (local or is_address(peer)):
        listed = {"x-forwarded-for": forwarded}
        found = resolve_client_ip(listed, peer, options.proxies).ip
        if found:
            return found
    if peer == UNIX_SOCKET:
        raise BrokenLineError("has no address of the client")
    return peer

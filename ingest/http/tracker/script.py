"""Serves the tracker script under every address that pages embed: `GET /js/NAME`.

`tracker/script.js` is the source; `tracker/script.min.js` is served. A name may contain words that
enable features, as in `/js/script.hash.outbound-links.js`; the script reads them from its own
address. In a site's own script, `/js/pa-ID.js`, the site's domain and options are added here.
"""

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from quart import Response, request
from quart_trio import QuartTrio

from actors.pipeline.topology import Collector
from ingest.http.responses import empty, error, text
from ingest.http.tracker.address import LONGEST_NAME, parse_address
from ingest.observation.odd_scripts import ScriptFault
from ingest.sites.site import Site

ROUTE: Final = "/js/<name>"

SCRIPT: Final = "text/javascript; charset=utf-8"
CACHED_FOR_A_DAY: Final = "public, max-age=86400, stale-while-revalidate=604800"
"""Fresh for a day. For another week, browsers may use the cached script while they revalidate."""

CACHED_FOR_A_MINUTE: Final = "public, max-age=60, stale-while-revalidate=86400"
"""For scripts that contain a site's options, which may change."""

VARIANTS: Final = 256
"""Maximum number of scripts kept in memory, each of about 6 kB."""

_CALL: Final = "();\n"
_SCRIPT_NAME: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{LONGEST_NAME}}}\.js")
_MINIFIED: Final = Path(__file__).with_name("script.min.js").read_text()


@dataclass(frozen=True, slots=True)
class EncodedScript:
    """The script in one content coding.

    Attributes:
        body: The encoded bytes, identical for the same release and zlib.
        headers: Response headers, including the entity tag.
    """

    body: bytes
    headers: dict[str, str]


def add_tracker_script(app: QuartTrio, collector: Collector) -> None:
    """Add the route.

    Args:
        app: The application.
        collector: Has the sites, and counts the addresses that are not known.
    """

    @app.get(ROUTE)
    async def tracker_script(name: str) -> Response:
        odd, now, path = collector.metrics.odd_scripts, collector.clock.seconds(), f"/js/{name}"
        address = parse_address(name)
        if address is None:
            if _SCRIPT_NAME.fullmatch(name):
                odd.note(path, now, ScriptFault.UNKNOWN_NAME)
            return _not_found()
        compressed = bool(request.accept_encodings.quality("gzip"))
        if address.script_id is not None:
            site = collector.reference.registry.by_script(address.script_id)
            if site is None:
                odd.note(path, now, ScriptFault.UNKNOWN_SITE)
                return _not_found()
            script = encode_script(site_options(site), "", CACHED_FOR_A_MINUTE, compressed)
        elif address.unknown_words:
            odd.note(path, now, ScriptFault.UNKNOWN_WORDS)
            warning = f"sluice: {path} has unknown words: {', '.join(address.unknown_words)}"
            script = encode_script("", warning, CACHED_FOR_A_DAY, compressed)
        else:
            script = encode_script("", "", CACHED_FOR_A_DAY, compressed)
        if request.if_none_match.contains_weak(script.headers["etag"].strip('"')):
            return empty(304, script.headers)
        return text(200, script.body, script.headers, SCRIPT)


def site_options(site: Site) -> str:
    """Return the options of a site's script, as those of `plausible.init`, in JSON."""
    options: dict[str, str | bool] = {"domain": site.domain}
    if site.script is not None:
        options |= {
            "outboundLinks": site.script.outbound_links,
            "fileDownloads": site.script.file_downloads,
            "formSubmissions": site.script.form_submissions,
            "hashBasedRouting": site.script.hash_based_routing,
        }
    return json.dumps({name: value for name, value in options.items() if value})


@lru_cache(VARIANTS)
def encode_script(
    options: str, warning: str, cache_control: str, compressed: bool
) -> EncodedScript:
    """Return a variant of the script.

    Args:
        options: The site's options in JSON; empty for the script of all sites.
        warning: What it writes to the browser's console; empty for nothing.
        cache_control: How long it may be cached.
        compressed: Whether it is compressed with gzip.
    """
    script = _MINIFIED.removesuffix(_CALL) + f"({options});\n"
    if warning:
        script += f"console.warn({json.dumps(warning)});\n"
    body = script.encode()
    if compressed:
        # Without a timestamp, so that all servers of a release send the same entity tag.
        body = gzip.compress(body, 9, mtime=0)
    headers = {
        "cache-control": cache_control,
        "cross-origin-resource-policy": "cross-origin",
        "etag": f'"{hashlib.sha256(body).hexdigest()[:24]}"',
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
    }
    return EncodedScript(body, headers | ({"content-encoding": "gzip"} if compressed else {}))


def _not_found() -> Response:
    # Not cached, so that a script is served as soon as its site is known.
    return error(404, "request", "Not Found", {"cache-control": "no-store"})

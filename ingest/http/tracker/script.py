"""Serves the tracker script: `GET /js/script.js`.

`tracker/script.js` is the source; `tracker/script.min.js` is served. The requested name may contain
words that enable features, as in `/js/script.hash.outbound-links.js`, so that existing snippets for
Plausible's script keep working. The script reads the words from its own URL.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quart import Response, request
from quart_trio import QuartTrio

from ingest.http.responses import empty, error, text

ROUTE: Final = "/js/<name>"
NAME: Final = re.compile(r"(?:script(?P<words>(?:\.[a-z-]+)*)|plausible)\.js")
WORDS: Final = frozenset(
    {
        "compat",
        "exclusions",
        "file-downloads",
        "form-submissions",
        "hash",
        "local",
        "manual",
        "outbound-links",
        "pageview-props",
        "revenue",
    }
)
"""Words that a name may contain, including those of features that are always enabled."""

SCRIPT: Final = "text/javascript; charset=utf-8"
CACHE_CONTROL: Final = "public, max-age=86400, stale-while-revalidate=604800"
"""Fresh for a day. For another week, browsers may use the cached script while they revalidate."""


@dataclass(frozen=True, slots=True)
class EncodedScript:
    """The script in one content coding.

    Attributes:
        body: The encoded bytes, identical for the same release and zlib.
        headers: Response headers, including the entity tag.
    """

    body: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, body: bytes, **headers: str) -> "EncodedScript":
        """Return a body with its headers."""
        return cls(
            body,
            {
                "cache-control": CACHE_CONTROL,
                "cross-origin-resource-policy": "cross-origin",
                "etag": f'"{hashlib.sha256(body).hexdigest()[:24]}"',
                "vary": "accept-encoding",
                "x-content-type-options": "nosniff",
                **headers,
            },
        )


def add_tracker_script(app: QuartTrio) -> None:
    """Add the route."""
    script = Path(__file__).with_name("script.min.js").read_bytes()
    plain = EncodedScript.of(script)
    # Without a timestamp, so that all servers of a release send the same entity tag.
    compressed = EncodedScript.of(gzip.compress(script, 9, mtime=0), **{"content-encoding": "gzip"})

    @app.get(ROUTE)
    async def tracker_script(name: str) -> Response:
        if not is_script(name):
            return error(404, "request", "Not Found")
        form = compressed if request.accept_encodings.quality("gzip") else plain
        if request.if_none_match.contains_weak(form.headers["etag"].strip('"')):
            return empty(304, form.headers)
        return text(200, form.body, form.headers, SCRIPT)


def is_script(name: str) -> bool:
    """Whether a name is the tracker's and contains known words only."""
    match = NAME.fullmatch(name)
    return match is not None and WORDS.issuperset(filter(None, (match["words"] or "").split(".")))

"""The tracker, for every page that wants it: `GET /js/script.js`.

`tracker/script.js` is its source, `tracker/script.min.js` what is served. Its name may hold words
that switch something on, as in `/js/script.hash.outbound-links.js`, so that the snippets of sites
that had Plausible's own script go on working; the script reads them from its own address.
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
"""What a name may ask for, also what the script can without being asked."""

SCRIPT: Final = "text/javascript; charset=utf-8"
CACHE_CONTROL: Final = "public, max-age=86400, stale-while-revalidate=604800"
"""A day, then a week in which a browser may use what it has while it asks for what is new."""


@dataclass(frozen=True, slots=True)
class EncodedScript:
    """The script in one coding.

    Attributes:
        body: Its bytes, the same for the same release and zlib.
        headers: Those that go with them, the entity tag among them.
    """

    body: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, body: bytes, **headers: str) -> "EncodedScript":
        """Describe the bytes."""
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
    # Without a time stamp, so that all servers of a release give it the same tag.
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
    """Whether a file of this name is the tracker, with all that the name asks for."""
    match = NAME.fullmatch(name)
    return match is not None and WORDS.issuperset(filter(None, (match["words"] or "").split(".")))

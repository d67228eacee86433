"""The page's URL: host, path and query parameters (spec/ingestion.md §4)."""

from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

from ingest.model.url import clean_host, split_url

NO_HOSTNAME: Final = "(none)"
"""The hostname of an address without one."""

URL_BYTES: Final = 2000
"""A longer URL is refused."""


class PageURL(msgspec.Struct, frozen=True, gc=False):
    """A parsed URL. Lenient: any text is a URL, including `about:config` and `/no/host`.

    Attributes:
        scheme: Lower case; empty when there is none.
        host: Without user, port and brackets, trimmed, without one leading `www.`; empty when there
            is none. Not lower-cased, not converted from or to punycode.
        hostname: The host, or `(none)`.
        path: Decoded, `/` when there is none, without white space at its end; `+` stays, and so do
            malformed escapes; bytes that are not UTF-8 become surrogate escapes.
        query: Parameters, decoded as form data; of a repeated one the last counts. Shared between
            requests: not to be changed.
        fragment: Not decoded; None when there is no `#`.
    """

    scheme: str
    host: str
    hostname: str
    path: str
    query: dict[str, str]
    fragment: str | None

    def pathname(self, *, with_fragment: bool) -> str:
        """The path.

        Args:
            with_fragment: Whether to append the decoded fragment, as sites with hash routing do.

        Returns:
            May be empty, for odd URLs such as `foo:%20`.
        """
        if with_fragment and self.fragment is not None:
            return f"{self.path}#{_decode(self.fragment)}"
        return self.path


@lru_cache(maxsize=8192)
def parse_url(url: str) -> PageURL:
    """Parse a URL; never fails. Results are cached, so pass at most `URL_BYTES`."""
    scheme, host, path, query, fragment = split_url(url)
    host = clean_host(host)
    pathname = _decode(path or "/").rstrip()
    return PageURL(scheme, host, host or NO_HOSTNAME, pathname, _parameters(query), fragment)


def _parameters(query: str | None) -> dict[str, str]:
    if not query:
        return {}
    return dict(parse_qsl(query, keep_blank_values=True, errors="surrogateescape"))


def _decode(text: str) -> str:
    return unquote(text, errors="surrogateescape") if "%" in text else text

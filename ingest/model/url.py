"""URLs, split by RFC 3986, but leniently: any text is a URL."""

import re
from typing import Final, NamedTuple

# RFC 3986, appendix B, with the scheme's alphabet of §3.1: matches any text, and in linear time.
_SPLIT: Final = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)


class SplitURL(NamedTuple):
    """The parts of a URL, not decoded.

    Attributes:
        scheme: Lower case; empty when there is none.
        host: Without user, port and brackets; empty when there is none. Not lower-cased, not
            converted from or to punycode.
        path: Possibly empty.
        query: None when there is no `?`.
        fragment: None when there is no `#`.
    """

    scheme: str
    host: str
    path: str
    query: str | None
    fragment: str | None


def split_url(url: str) -> SplitURL:
    """Split a URL; never fails."""
    match = _SPLIT.fullmatch(url)
    assert match is not None, "every part of the pattern may be empty"  # noqa: S101
    scheme, authority, path, query, fragment = match.groups()
    return SplitURL((scheme or "").lower(), _host(authority or ""), path, query, fragment)


def clean_host(host: str) -> str:
    """Trim a host or a domain, and remove one leading `www.`."""
    return host.strip().removeprefix("www.")


def _host(authority: str) -> str:
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]

"""Finds the source of a session: the value of a tag, or the name of the referring site."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from ingest.enrichment.referrer import ANDROID_APP, Referral
from ingest.enrichment.source_tables import COUNTRY, SourceTables, source_tables

TAGS: Final = ("utm_source", "source", "ref")
"""Query parameters for the source, in order of precedence."""

_NEWEST: Final = source_tables()
_OLDER: Final = source_tables(older=True)
_COUNTRY: Final = re.compile(r"\.(?:(?:co|com|org|net|edu|gov)\.[a-z]{2}|[a-z]{2}|com|cat)\Z")
_APP: Final = f"{ANDROID_APP}://"
_CACHED_LENGTH: Final = 300

_MAX_HOST: Final = 253
"""Maximum number of characters in a host name (RFC 1035); a longer one is in no table."""


def source_of(query: Mapping[str, str], referral: Referral | None) -> str:
    """Return the source's name (spec/enrichment.md §5).

    Args:
        query: The page's query parameters. An empty tag means no source.
        referral: The referrer; None if there is no valid one.

    Returns:
        The canonical name if there is one, else the unchanged tag or host; empty for none.
    """
    tag = tagged(query)
    if tag is not None:
        return _NEWEST.names.get(tag.lower(), tag)
    return "" if referral is None else _host_name(referral.host, referral.path, _NEWEST)


def older_source(source: str, utm_source: str, referrer: str) -> str:
    """Return the name that a source had before June 2026.

    Args:
        source: Its name of any age.
        utm_source: As stored with it.
        referrer: As stored with it.
    """
    if not source:
        return ""
    if utm_source:
        return _OLDER.names.get(utm_source.lower(), utm_source)
    scheme = _APP if referrer.startswith(_APP) else ""
    host, slash, path = referrer.removeprefix(scheme).partition("/")
    return _host_name(scheme + host, slash + path, _OLDER)


def tagged(query: Mapping[str, str]) -> str | None:
    """Return the value of the first tag in the query; None if there is none."""
    for tag in TAGS:
        value = query.get(tag)
        if value is not None:
            return value
    return None


def _host_name(host: str, path: str, tables: SourceTables) -> str:
    if len(host) + len(path) > _CACHED_LENGTH:
        return _name(host, path, tables)
    return _cached_name(host, path, tables)


def _name(host: str, path: str, tables: SourceTables) -> str:
    key = host.lower()
    name = tables.names.get(key)
    if name is not None:
        return name
    for suffix, family in tables.families.items():
        if key == suffix or key.endswith(f".{suffix}"):
            return family
    # The tables have apps by package name, among the hosts.
    listed = _listed(key.removeprefix(_APP), f"{path}/", tables)
    return host if listed is None else listed


_cached_name = lru_cache(maxsize=4096)(_name)


def _listed(host: str, path: str, tables: SourceTables) -> str | None:
    """Return the name of the host, or of its nearest parent domain, from the host tables.

    The path ends with a slash, like some of the prefixes that it is compared with.
    """
    for candidate in _candidates(host):
        for beginning, name in tables.paths.get(candidate, ()):
            if path.startswith(beginning):
                return name
        listed = tables.hosts.get(candidate)
        if listed is not None:
            return listed
    return None


def _candidates(host: str) -> Iterator[str]:
    """Yield the host and its parent domains, each also as a host family (`google.{}`)."""
    if len(host) > _MAX_HOST:
        return
    country = _COUNTRY.search(host)
    while "." in host:
        yield host
        if country is not None and len(country[0]) < len(host):
            yield f"{host[: -len(country[0])]}.{COUNTRY}"
        host = host.partition(".")[2]

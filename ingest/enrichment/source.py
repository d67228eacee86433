"""The source of a visit: what a tag says, else the name of the referring site."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from ingest.enrichment.referrer import ANDROID_APP, Referral
from ingest.enrichment.source_tables import COUNTRY, source_tables

TAGS: Final = ("utm_source", "source", "ref")
"""Query parameters that name the source, in the order in which they are looked at."""

_TABLES: Final = source_tables()
_COUNTRY: Final = re.compile(r"\.(?:(?:co|com|org|net|edu|gov)\.[a-z]{2}|[a-z]{2}|com|cat)\Z")
_APP: Final = f"{ANDROID_APP}://"
_CACHED_LENGTH: Final = 300

_MAX_HOST: Final = 253
"""Characters of a host name (RFC 1035); a longer one is in no table."""


def source_of(query: Mapping[str, str], referral: Referral | None) -> str:
    """Name the source (spec/enrichment.md §5).

    Args:
        query: The page's query parameters. A tag that is there but empty means no source.
        referral: What the visit came from; None when nothing counts.

    Returns:
        A canonical name where there is one, else the tag or the host as it is; empty for none.
    """
    tag = tagged(query)
    if tag is not None:
        return _TABLES.names.get(tag.lower(), tag)
    if referral is None:
        return ""
    if len(referral.host) + len(referral.path) > _CACHED_LENGTH:
        return _name(referral)
    return _cached_name(referral)


def tagged(query: Mapping[str, str]) -> str | None:
    """The value of the first tag that is there; None when there is none."""
    for tag in TAGS:
        value = query.get(tag)
        if value is not None:
            return value
    return None


def _name(referral: Referral) -> str:
    host = referral.host.lower()
    name = _TABLES.names.get(host)
    if name is not None:
        return name
    for suffix, family in _TABLES.families.items():
        if host == suffix or host.endswith(f".{suffix}"):
            return family
    # The tables list an app under its package name, beside the hosts.
    listed = _listed(host.removeprefix(_APP), f"{referral.path}/")
    return referral.host if listed is None else _TABLES.names.get(listed.lower(), listed)


_cached_name = lru_cache(maxsize=4096)(_name)


def _listed(host: str, path: str) -> str | None:
    """The name in the host tables: of the host, else of the nearest domain above it.

    The path ends in a slash, as do some of the beginnings that it is compared with.
    """
    for candidate in _candidates(host):
        for beginning, name in _TABLES.paths.get(candidate, ()):
            if path.startswith(beginning):
                return name
        listed = _TABLES.hosts.get(candidate)
        if listed is not None:
            return listed
    return None


def _candidates(host: str) -> Iterator[str]:
    """The host and the domains above it, each also as a family's member (`google.{}`)."""
    if len(host) > _MAX_HOST:
        return
    country = _COUNTRY.search(host)
    while "." in host:
        yield host
        if country is not None and len(country[0]) < len(host):
            yield f"{host[: -len(country[0])]}.{COUNTRY}"
        host = host.partition(".")[2]

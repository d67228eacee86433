"""Referrer spam: fake visits that advertise a site in statistics (spec/enrichment.md §8)."""

from functools import lru_cache
from typing import Final

from ingest.enrichment.source_tables import spam_hosts
from ingest.model.url import clean_host, split_url

_SPAM = spam_hosts()


def spam_host(referrer: str | None) -> str | None:
    """Return the entry of the spam list that equals a referrer's host; None if there is none.

    The host is compared without `www.`, and is case-sensitive.
    """
    if not referrer:
        return None
    return _find(referrer) if len(referrer) <= _CACHED_LENGTH else _find.__wrapped__(referrer)


_CACHED_LENGTH: Final = 500


@lru_cache(maxsize=4096)
def _find(referrer: str) -> str | None:
    host = clean_host(split_url(referrer).host)
    return host if host in _SPAM else None

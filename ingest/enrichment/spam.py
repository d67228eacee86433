"""Referrer spam: visits that nobody made, sent to be seen in statistics (spec/enrichment.md §8)."""

from ingest.enrichment.source_tables import spam_hosts
from ingest.model.url import clean_host, split_url

_SPAM = spam_hosts()


def spam_host(referrer: str | None) -> str | None:
    """The entry of the list that a referrer's host is; None when it is none.

    The host is compared without `www.`, exactly, in its letters' case.
    """
    if not referrer:
        return None
    host = clean_host(split_url(referrer).host)
    return host if host in _SPAM else None

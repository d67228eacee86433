"""Referrer spam: visits that nobody made, sent to be seen in statistics (spec/enrichment.md §8)."""

from ingest.enrichment.source_tables import spam_hosts
from ingest.url import clean_host, split_url

_SPAM = spam_hosts()


def is_spam(referrer: str | None) -> bool:
    """Whether a referrer's host, without `www.`, is on the list: exactly, in its letters' case."""
    if not referrer:
        return False
    return clean_host(split_url(referrer).host) in _SPAM

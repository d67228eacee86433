"""The attribution of a session: referrer, source, campaign and channel."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from ingest.enrichment.campaign import CLICK_IDS, click_id_param, medium
from ingest.enrichment.channel import acquisition_channel
from ingest.enrichment.referrer import Referral, parse_referral
from ingest.enrichment.source import TAGS, older_source, source_of, tagged
from ingest.model.event import Attribution

_PARAMETERS: Final = frozenset(
    (*TAGS, *CLICK_IDS, "utm_medium", "utm_campaign", "utm_content", "utm_term")
)
_CACHED_LENGTH: Final = 200

_Tags = tuple[tuple[str, str], ...]


def attribute(referrer: str | None, hostname: str, query: Mapping[str, str]) -> Attribution:
    """Attribute a session (spec/enrichment.md §4 to §7).

    Args:
        referrer: The referring address as sent; None when absent.
        hostname: The page's host without `www.`.
        query: The page's query parameters.
    """
    if not query:
        if not referrer:
            return _DIRECT
        if len(referrer) + len(hostname) <= _CACHED_LENGTH:
            return _untagged(referrer, hostname)
    referral = parse_referral(referrer, hostname)
    tags: _Tags = ()
    if query:
        tags = tuple([(key, _tag(key, query[key])) for key in query if key in _PARAMETERS])
    if (referral is None or len(referral.host) + len(referral.path) <= _CACHED_LENGTH) and (
        not tags or sum(len(value) for _, value in tags) <= _CACHED_LENGTH
    ):
        return _cached_attribution(referral, tags)
    return _attribution(referral, tags)


def _tag(key: str, value: str) -> str:
    # A click id's value is ignored; it would also make every cache key different.
    return "" if key in CLICK_IDS else value


def _attribution(referral: Referral | None, tags: _Tags) -> Attribution:
    query = dict(tags)
    source = source_of(query, referral)
    click_id = click_id_param(query)
    utm_source = tagged(query) or ""
    utm_medium = medium(query, source, click_id)
    utm_campaign = query.get("utm_campaign", "")
    return Attribution(
        referrer="" if referral is None else referral.referrer,
        referrer_source=source,
        utm_source=utm_source,
        utm_medium=utm_medium,
        utm_campaign=utm_campaign,
        utm_content=query.get("utm_content", ""),
        utm_term=query.get("utm_term", ""),
        click_id_param=click_id,
        acquisition_channel=acquisition_channel(
            source, utm_medium, utm_campaign, utm_source, click_id
        ),
    )


_cached_attribution = lru_cache(maxsize=8192)(_attribution)
_DIRECT: Final = _attribution(None, ())


@lru_cache(maxsize=8192)
def _untagged(referrer: str, hostname: str) -> Attribution:
    referral = parse_referral(referrer, hostname)
    return _DIRECT if referral is None else _cached_attribution(referral, ())


def older_attribution(attribution: Attribution) -> Attribution:
    """Return an attribution with the source and the channel that it had before June 2026."""
    source = older_source(attribution.referrer_source, attribution.utm_source, attribution.referrer)
    channel = acquisition_channel(
        source,
        attribution.utm_medium,
        attribution.utm_campaign,
        attribution.utm_source,
        attribution.click_id_param,
        older=True,
    )
    return msgspec.structs.replace(attribution, referrer_source=source, acquisition_channel=channel)

"""The acquisition channel: the kind of source of a session (spec/enrichment.md §7)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ingest.enrichment.source_tables import source_tables

_SHOPPING_CAMPAIGN: Final = re.compile(r"(?:[^a-df-z]|^)shop|shopping")
_DISPLAY: Final = frozenset({"display", "banner", "expandable", "interstitial", "cpm"})
_SOCIAL: Final = frozenset(
    {"social", "social-network", "social-media", "sm", "social network", "social media"}
)
_EMAIL: Final = re.compile(r"e[-_ ]?mail|newsletter")
_REFERRAL: Final = frozenset({"referral", "app", "link"})


@dataclass(frozen=True, slots=True)
class Signs:
    """The values that the rules check, in lower case.

    Attributes:
        source: Canonical name of the source.
        medium: `utm_medium`, tagged or inferred.
        campaign: `utm_campaign`.
        tag: `utm_source` as tagged.
        click_id: Name of the click id, in its original case.
        category: Category of the source; empty when unknown.
        paid_medium: Whether the medium means paid traffic.
        paid: Whether the medium or the tag means paid traffic.
        shopping: Whether the source or the campaign is about shopping.
    """

    source: str
    medium: str
    campaign: str
    tag: str
    click_id: str
    category: str
    paid_medium: bool
    paid: bool
    shopping: bool


def _paid_medium(medium: str) -> bool:
    return "cp" in medium or medium in ("ppc", "retargeting") or medium.startswith("paid")


def _bought_search(signs: Signs) -> bool:
    return (
        (signs.category == "SEARCH" and signs.paid)
        or (signs.source == "google" and signs.click_id == "gclid")
        or (signs.source == "bing" and signs.click_id == "msclkid")
    )


def _email(signs: Signs) -> bool:
    return (
        signs.category == "EMAIL"
        or _EMAIL.search(signs.tag) is not None
        or _EMAIL.search(signs.medium) is not None
    )


def _push(signs: Signs) -> bool:
    return (
        signs.medium.endswith("push")
        or "mobile" in signs.medium
        or "notification" in signs.medium
        or signs.source == "firebase"
    )


RULES: Final[tuple[tuple[str, Callable[[Signs], bool]], ...]] = (
    ("Cross-network", lambda signs: "cross-network" in signs.campaign),
    ("Display", lambda signs: signs.medium in _DISPLAY),
    ("Paid Shopping", lambda signs: signs.paid_medium and signs.shopping),
    ("Paid Search", _bought_search),
    ("Paid Social", lambda signs: signs.category == "SOCIAL" and signs.paid),
    ("Paid Video", lambda signs: signs.category == "VIDEO" and signs.paid),
    ("Paid Other", lambda signs: signs.paid_medium),
    ("Organic Shopping", lambda signs: signs.shopping),
    ("Organic Social", lambda signs: signs.category == "SOCIAL" or signs.medium in _SOCIAL),
    ("Organic Video", lambda signs: signs.category == "VIDEO" or "video" in signs.medium),
    ("AI Assistants", lambda signs: signs.category == "AI_ASSISTANTS"),
    ("Organic Search", lambda signs: signs.category == "SEARCH"),
    ("Email", _email),
    ("Affiliates", lambda signs: signs.medium == "affiliate"),
    ("Audio", lambda signs: signs.medium == "audio"),
    ("SMS", lambda signs: "sms" in (signs.tag, signs.medium)),
    ("Mobile Push Notifications", _push),
    ("Referral", lambda signs: signs.medium in _REFERRAL or signs.source != ""),
)
"""Channels and their conditions, in order of precedence."""

OTHERWISE: Final = "Direct"


def acquisition_channel(
    referrer_source: str,
    utm_medium: str,
    utm_campaign: str,
    utm_source: str,
    click_id_param: str,
    *,
    older: bool = False,
) -> str:
    """Return the channel of a session, from the columns that describe its source.

    With `older`, the source has the name, and gets the category, from before June 2026.
    """
    tables = source_tables(older=older)
    source, medium, campaign = referrer_source.lower(), utm_medium.lower(), utm_campaign.lower()
    tag = utm_source.lower()
    category = tables.categories.get(source, "")
    paid_medium = _paid_medium(medium)
    signs = Signs(
        source=source,
        medium=medium,
        campaign=campaign,
        tag=tag,
        click_id=click_id_param,
        category=category,
        paid_medium=paid_medium,
        paid=paid_medium or tag in tables.paid,
        shopping=category == "SHOPPING" or _SHOPPING_CAMPAIGN.search(campaign) is not None,
    )
    for channel, fits in RULES:
        if fits(signs):
            return channel
    return OTHERWISE

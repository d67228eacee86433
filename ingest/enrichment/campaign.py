"""Campaign tags and click ids (spec/enrichment.md §6)."""

from collections.abc import Mapping
from typing import Final

CLICK_IDS: Final = ("gclid", "gbraid", "wbraid", "msclkid", "fbclid", "twclid")
"""Parameters that advertisers add to links, in the order in which they are looked for. Which one is
there is stored; its value, which would identify the visitor, is not."""

_INFERRED: Final = {("Google", "gclid"): "(gclid)", ("Bing", "msclkid"): "(msclkid)"}


def click_id_param(query: Mapping[str, str]) -> str:
    """The name of the first click id present; empty for none."""
    for name in CLICK_IDS:
        if name in query:
            return name
    return ""


def medium(query: Mapping[str, str], source: str, click_id: str) -> str:
    """The medium: as tagged, even if empty; else inferred from source and click id."""
    tag = query.get("utm_medium")
    return _INFERRED.get((source, click_id), "") if tag is None else tag

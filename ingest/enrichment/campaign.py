"""Campaign tags and click ids (spec/enrichment.md §6)."""

from collections.abc import Mapping
from typing import Final

CLICK_IDS: Final = ("gclid", "gbraid", "wbraid", "msclkid", "fbclid", "twclid")
"""Parameters that advertisers add to links, in order of precedence. The name of the parameter is
stored. Its value is not, because it would identify the visitor."""

_INFERRED: Final = {("Google", "gclid"): "(gclid)", ("Bing", "msclkid"): "(msclkid)"}


def click_id_param(query: Mapping[str, str]) -> str:
    """Return the name of the first click id in the query; empty for none."""
    for name in CLICK_IDS:
        if name in query:
            return name
    return ""


def medium(query: Mapping[str, str], source: str, click_id: str) -> str:
    """Return the tagged medium, even if empty; else infer it from source and click id."""
    tag = query.get("utm_medium")
    return _INFERRED.get((source, click_id), "") if tag is None else tag

"""The addresses under which pages load the tracker script (spec/tracker-addresses.md)."""

import re
from dataclasses import dataclass
from typing import Final

WORDS: Final = frozenset(
    {
        "compat",
        "exclusions",
        "file-downloads",
        "form-submissions",
        "hash",
        "local",
        "manual",
        "outbound-links",
        "pageleave",
        "pageview-props",
        "revenue",
        "tagged-events",
    }
)
"""Words that a name may contain, including those of features that are always enabled."""

LONGEST_NAME: Final = 200
"""Maximum number of characters in a name; all words together have 125."""

_OF_ONE_SITE: Final = re.compile(r"(?:pa|s)-([A-Za-z0-9_-]{1,64})\.js")
_OF_ALL_SITES: Final = re.compile(
    r"(?:script|plausible|analytics)((?:\.[A-Za-z0-9_-]+)*)\.js|p\.js"
)


@dataclass(frozen=True, slots=True)
class ScriptAddress:
    """What an address asks for.

    Attributes:
        script_id: The id of a site's own script; None for the script of all sites.
        unknown_words: Words in the name that are the name of no feature.
    """

    script_id: str | None = None
    unknown_words: tuple[str, ...] = ()


def parse_address(name: str) -> ScriptAddress | None:
    """Parse the part of an address after `/js/`.

    Returns:
        What it asks for; None if it is no name of the script.
    """
    if len(name) > LONGEST_NAME:
        return None
    if match := _OF_ONE_SITE.fullmatch(name):
        return ScriptAddress(match[1])
    if match := _OF_ALL_SITES.fullmatch(name):
        words = filter(None, (match[1] or "").split("."))
        return ScriptAddress(unknown_words=tuple(word for word in words if word not in WORDS))
    return None

"""Finds the browser or other client, and its version, in a user agent."""

from typing import Final

from ingest.enrichment.browser_names import (
    APPS,
    BROWSER_PATTERNS,
    BROWSERS,
    ENGINE_PATTERNS,
    IN_APP_PATTERNS,
    MOBILE_APP,
    VERSIONLESS_BROWSERS,
)
from ingest.enrichment.libraries import LIBRARIES
from ingest.enrichment.parsed_agent import ParsedAgent
from ingest.enrichment.pattern_set import NamePatterns, PatternSet

_NAMED: Final = NamePatterns(BROWSER_PATTERNS)
_ENGINES: Final = NamePatterns(ENGINE_PATTERNS)
_IN_APP: Final = PatternSet(IN_APP_PATTERNS)
_SYSTEM_FAMILIES: Final = frozenset(
    {"Android", "Apple Mail", "AppleWebKit", "Mobile Safari UI/WKWebView", "Other"}
)
"""Families that only name the system."""

_NO_FAMILIES: Final = frozenset({"HbbTV", "Other"})


def name_browser(agent: ParsedAgent) -> tuple[str, str]:
    """Return the client's name and the first two parts of its version.

    Returns:
        The name and the version, which may both be empty. The name is `Mobile App` for applications
        with or without an embedded browser.
    """
    text, family = agent.ua_string, agent.browser.family
    named = _NAMED.find(text)
    if named is not None:
        return named
    if family in APPS or _IN_APP.matches(text):
        return MOBILE_APP, ""
    if (
        not agent.is_browser
        and family in _SYSTEM_FAMILIES
        and agent.os.family in ("Android", "iOS")
    ):
        return MOBILE_APP, ""
    if family in _NO_FAMILIES or "bot" in family.lower():
        return _ENGINES.find(text) or ("", "")
    library = LIBRARIES.get(family.lower())
    if library is not None and not agent.is_browser:
        # Without a version, it is probably another word that begins with the library's name.
        version = agent.browser.version_string
        return (library, version) if version else ("", "")
    name = BROWSERS.get(family, family)
    if name == "Safari" and agent.is_android:
        return "Android Browser", ""
    if not name or family in VERSIONLESS_BROWSERS:
        return name, ""
    return name, agent.browser.version_string

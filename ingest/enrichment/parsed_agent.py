"""A user agent parsed by ua-parser, and the part of it that describes the device."""

import sys
from functools import cached_property
from types import ModuleType
from typing import Final

import ua_parser
import ua_parser.regex

from ingest.enrichment.pattern_set import PatternSet, join_version

_UNUSED: Final = "ua_parser.user_agent_parser"
"""A module with a thousand patterns, which takes a tenth of a second to import. `user_agents` needs
it only for a constructor that `ParsedAgent` replaces, so it imports an empty module instead."""

_has_unused = _UNUSED in sys.modules
sys.modules.setdefault(_UNUSED, ModuleType(_UNUSED))
import user_agents.parsers  # noqa: E402

if not _has_unused:
    del sys.modules[_UNUSED]

_PARSER: Final = ua_parser.Parser(
    ua_parser.regex.Resolver(ua_parser.load_lazy_builtins())  # without a cache: `describe` has one
)
_BROWSER: Final = PatternSet(
    (r"(?i)mozilla/|^opera/|^dalvik|webkit|gecko|\bbrowser\b|midp|cldc|\bbrew|ucweb|\bmaui\b",)
)
_ANDROID: Final = PatternSet((r"(?i)\bandr[o0]id[ /][0-9]",))
_SYSTEMS_OF_ANDROID: Final = frozenset({"Linux", "Other"})


class ParsedAgent(user_agents.parsers.UserAgent):  # type: ignore[misc]  # the library has no types
    """The library's device classes with ua-parser's native resolver, which is 20 times as fast."""

    def __init__(self, user_agent: str) -> None:
        """Parse an agent.

        Args:
            user_agent: A user agent without lone surrogates.
        """
        result = _PARSER.parse(user_agent).with_defaults()
        browser, system, device = result.user_agent, result.os, result.device
        self.ua_string = user_agent
        # Do not use the library's `parse_browser` etc., whose integers lose the 0 of 22.04.
        self.browser = user_agents.parsers.Browser(
            browser.family, (), join_version(browser.major, browser.minor)
        )
        self.os = user_agents.parsers.OperatingSystem(
            system.family, (), join_version(system.major, system.minor)
        )
        self.device = user_agents.parsers.Device(device.family, device.brand, device.model)

    @cached_property
    def is_browser(self) -> bool:
        """Whether it has the form of a browser's agent, and not of an application's."""
        return _BROWSER.matches(self.ua_string)

    @cached_property
    def is_android(self) -> bool:
        """Whether its system is Android, or based on it."""
        return self.os.family == "Android" or (
            self.os.family in _SYSTEMS_OF_ANDROID and _ANDROID.matches(self.ua_string)
        )

    @cached_property
    def model(self) -> str:
        """The part that contains the device's model, among other words.

        In a browser's agent, it is in the first brackets.
        """
        return self.ua_string.partition(")")[0].partition(" Build/")[0]

    def _is_android_tablet(self) -> bool:
        # Chrome's convention. Other clients do not follow it and are more likely phones.
        return "mobile" not in self.ua_string.lower() and "Safari/" in self.ua_string

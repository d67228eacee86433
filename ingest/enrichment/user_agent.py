"""Parses the `User-Agent` header to browser, system and device (spec/enrichment.md §2)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ingest.enrichment.browser import name_browser
from ingest.enrichment.crawlers import begins_as_browser, is_crawler
from ingest.enrichment.device_class import device_class
from ingest.enrichment.libraries import LIBRARY_NAMES, find_library
from ingest.enrichment.operating_system import name_system
from ingest.enrichment.parsed_agent import ParsedAgent
from ingest.model.event import UNKNOWN_DEVICE, Device

MAX_LENGTH: Final = 768
"""Number of characters that are parsed. The time is linear, and at most 0.7 ms.

Real agents are shorter: the longest, of browsers embedded in apps, have about 500.
"""


@dataclass(frozen=True, slots=True)
class Client:
    """The information in a user agent.

    Attributes:
        device: Browser, system and device class.
        is_bot: Whether it is a crawler or a headless browser.
        is_library: Whether it is an HTTP library, as used by programs that send events.
    """

    device: Device
    is_bot: bool = False
    is_library: bool = False

    def is_unwanted(self, drop_server_clients: bool) -> bool:
        """Whether its events must be dropped as a bot's.

        Args:
            drop_server_clients: The site's setting; if true, HTTP libraries count as bots.
        """
        return self.is_bot or (self.is_library and drop_server_clients)


_UNKNOWN: Final = Client(UNKNOWN_DEVICE)


def describe(user_agent: str | None) -> Client:
    """Return browser, system, device class, and whether the client is a bot or library.

    Args:
        user_agent: The header as sent; None when missing. A missing, empty or meaningless header
            does not mean a bot; its fields are unknown.
    """
    return _describe(user_agent[:MAX_LENGTH]) if user_agent else _UNKNOWN


@lru_cache(maxsize=10_000)
def _describe(user_agent: str) -> Client:
    if not user_agent.isascii():  # lone surrogates cannot be passed to the native matchers
        user_agent = user_agent.encode("utf-8", "replace").decode("utf-8")
    library = find_library(user_agent)
    if library is not None:
        name, version = library
        return Client(Device(browser=name, browser_version=version), is_library=True)
    agent = ParsedAgent(user_agent)
    if is_crawler(user_agent) or (agent.is_bot and not begins_as_browser(user_agent)):
        return Client(UNKNOWN_DEVICE, is_bot=True)
    browser, browser_version = name_browser(agent)
    system, system_version = name_system(agent)
    return Client(
        Device(browser, browser_version, system, system_version, device_class(agent, system)),
        is_library=browser in LIBRARY_NAMES,
    )


def forget() -> None:
    """Clear the cache of user agents."""
    _describe.cache_clear()

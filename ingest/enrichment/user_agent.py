"""What the visitor uses, told from the `User-Agent` header (spec/enrichment.md §2)."""

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
"""Characters that are looked at: 0.7 ms at worst, and linear in their number.

Real agents stay well below; the longest are those of browsers inside apps, with some 500.
"""


@dataclass(frozen=True, slots=True)
class Client:
    """What a user agent says.

    Attributes:
        device: Browser, system and device class.
        is_bot: Whether it is a crawler or a headless browser.
        is_library: Whether it is an HTTP library of a program that sends events.
    """

    device: Device
    is_bot: bool = False
    is_library: bool = False

    def is_unwanted(self, drop_server_clients: bool) -> bool:
        """Whether its events are to be dropped as those of a bot.

        Args:
            drop_server_clients: The site's setting: HTTP libraries count as bots.
        """
        return self.is_bot or (self.is_library and drop_server_clients)


_UNKNOWN: Final = Client(UNKNOWN_DEVICE)


def describe(user_agent: str | None) -> Client:
    """Tell browser, system, device class, and whether a person sits before it.

    Args:
        user_agent: The header as sent; None when it is missing. Neither None nor an empty or
            meaningless text makes a bot: their fields are just unknown.
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
    """Forget what agents that were seen before say."""
    _describe.cache_clear()

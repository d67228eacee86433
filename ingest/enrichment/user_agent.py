"""What the visitor uses, told from the `User-Agent` header (spec/enrichment.md §2)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import ua_parser
import ua_parser.regex
import user_agents.parsers

from ingest.enrichment.crawlers import is_crawler
from ingest.enrichment.device_names import (
    APPS,
    BROWSER_TOKENS,
    BROWSERS,
    DESKTOP_SYSTEMS,
    FIRE_OS_VERSIONS,
    MOBILE_APP,
    OPERATING_SYSTEMS,
    VERSIONLESS_BROWSERS,
)
from ingest.enrichment.libraries import find_library
from ingest.enrichment.pattern_set import PatternSet
from ingest.model.event import UNKNOWN_DEVICE, Device

MAX_LENGTH: Final = 768
"""Characters that are parsed: 1.5 ms at worst, where 64 KiB would take 100.

Real agents stay well below; the longest are those of browsers inside apps, with some 500.
"""

_TV_OR_CONSOLE: Final = PatternSet(
    rf"(?i){pattern}"
    for pattern in (
        r"\bTV\b",
        r"Smart-?TV|HbbTV|GoogleTV|AndroidTV|AppleTV|MiTV",
        r"Web0S|NetCast|CrKey|VIDAA|Viera|\bMaple",
        r"\bBRAVIA|\bAFT[A-Z]|\bMiBOX|\bSHIELD Android|\bRoku|\bTiVo",
        r"\bDTV|\bOTT\b|\bSTB\b|\bOMI/|LED[0-9]{2}|_[FU]HD\b",
        r"PlayStation|\bPS[2-5]\b|\bPSP\b|\bXbox|Nintendo",
    )
)
_CAR: Final = PatternSet((r"\bTesla/", "QtCarBrowser"))
_HANDHELD: Final = PatternSet(
    rf"(?i){pattern}"
    for pattern in (
        r"Watch ?OS|\bWatch[0-9]?\b|Wear ?OS",
        r"OculusBrowser|PicoBrowser",
        r"\bCLDC|UP\.Browser|\bBrew\b",
    )
)
_TABLET: Final = PatternSet(
    (
        r"\bTablet\b|\bTab\b|\bTab[ _-]?[0-9A-Z]|\bPad\b|\biPad\b",
        r"\bSM-[TPX][0-9]|\bGT-P[0-9]|\bGalaxy Tab",
        r"\bKF[A-Z]{2,6}\b|Kindle|\bNexus (?:7|9|10)\b|\bXoom\b|PlayBook",
        r"\bLenovo (?:TB|YT)|\bTB-?[0-9X]|\bMediaPad|\bMatePad",
    )
)
_IN_APP: Final = PatternSet(
    (
        r"\bFB(?:AN|AV|_IAB|IOS)\b|\bInstagram |\bWhatsApp/|\bBarcelona ",
        r"\bSnapchat|\bPinterest\b|LinkedInApp|\bTwitter for |\bReddit\b",
        r"musical_ly|BytedanceWebview|\btrill_",
        r"MicroMessenger|baiduboxapp|\bQQ/[0-9]|DingTalk|AlipayClient|\bWeibo|\bSogouSearch",
        r"\bLine/|KAKAOTALK|\bNAVER\(|\bZalo|\bViber",
        r"\bGSA/|BingSapphire|\bSlack/|\bTeams/|\bDiscord/|\bSkype|\bSpotify/",
        r"CFNetwork/",
    )
)
_ANDROID_TV: Final = re.compile(r"Android ?TV|\bBRAVIA", re.ASCII)
_PLAYSTATION: Final = re.compile(r"\bPlayStation ([0-9])[ /]([0-9]+)", re.ASCII)
_NINTENDO: Final = re.compile(r"\bNintendo (Switch|WiiU|Wii|3DS|DSi)\b", re.ASCII)
_NINTENDO_HANDHELDS: Final = frozenset({"3DS", "DSi"})
_BROWSER_TOKEN: Final = re.compile(
    rf"\b({'|'.join(BROWSER_TOKENS)})/v?([0-9]+(?:\.[0-9]+)?)", re.ASCII
)
_APPLE_VERSION: Final = re.compile(r"\bVersion/((?:2[6-9]|[3-9][0-9])\.[0-9]+)")
_FROZEN: Final = frozenset({("iOS", "18.6"), ("iOS", "18.7"), ("Mac OS X", "10.15")})
"""What Apple's systems say for ever since version 26; Safari's version is that of the system."""

_FIRE_OS: Final = re.compile(r"\b(?:KF[A-Z]{2,6}|AFT[A-Z][A-Z0-9]*|Kindle Fire)\b", re.ASCII)
_IPADOS_MAJOR: Final = 13


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
_PARSER: Final = ua_parser.Parser(
    ua_parser.regex.Resolver(ua_parser.load_lazy_builtins())  # without a cache: `_describe` has one
)


class _UserAgent(user_agents.parsers.UserAgent):  # type: ignore[misc]  # the library has no types
    """The library's device classes, on ua-parser's native resolver: twenty times as fast."""

    def __init__(self, user_agent: str) -> None:
        result = _PARSER.parse(user_agent).with_defaults()
        browser, system, device = result.user_agent, result.os, result.device
        self.ua_string = user_agent
        # Not the library's `parse_browser` and so on: their whole numbers lose the 0 of 22.04.
        self.browser = user_agents.parsers.Browser(
            browser.family, (), _version(browser.major, browser.minor)
        )
        self.os = user_agents.parsers.OperatingSystem(
            system.family, (), _version(system.major, system.minor)
        )
        self.device = user_agents.parsers.Device(device.family, device.brand, device.model)

    def _is_android_tablet(self) -> bool:
        # Chrome's convention. What is no browser tells nothing: rather one of the many phones.
        return "Mobile" not in self.ua_string and "Safari/" in self.ua_string

    @property
    def is_tablet(self) -> bool:
        return _TABLET.matches(self.ua_string) or bool(super().is_tablet)


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
    if is_crawler(user_agent) or (agent := _UserAgent(user_agent)).is_bot:
        return Client(UNKNOWN_DEVICE, is_bot=True)
    browser, browser_version = _browser(agent)
    system, system_version = _operating_system(agent)
    return Client(Device(browser, browser_version, system, system_version, _screen_size(agent)))


def forget() -> None:
    """Forget what agents that were seen before say."""
    _describe.cache_clear()


def _browser(agent: _UserAgent) -> tuple[str, str]:
    token = _BROWSER_TOKEN.search(agent.ua_string)
    if token is not None:
        return BROWSER_TOKENS[token[1]], token[2]
    family = agent.browser.family
    if family in APPS or _IN_APP.matches(agent.ua_string):
        return MOBILE_APP, ""
    name = BROWSERS.get(family, family)
    if not name or family in VERSIONLESS_BROWSERS:
        return name, ""
    return name, agent.browser.version_string


def _operating_system(agent: _UserAgent) -> tuple[str, str]:
    text, family, version = agent.ua_string, agent.os.family, agent.os.version_string
    if family == "Android":
        if "HarmonyOS" in text:
            return "HarmonyOS", ""
        if _FIRE_OS.search(text):
            return "Fire OS", FIRE_OS_VERSIONS.get(version) or FIRE_OS_VERSIONS.get(
                version.partition(".")[0], ""
            )
        return ("Android TV" if _ANDROID_TV.search(text) else "Android"), version
    if (family, version) in _FROZEN and (match := _APPLE_VERSION.search(text)) is not None:
        version = match[1]
    if family == "iOS" and "iPad" in text:
        major = version.partition(".")[0]
        return ("iPadOS" if major.isdecimal() and int(major) >= _IPADOS_MAJOR else "iOS"), version
    if (match := _PLAYSTATION.search(text)) is not None:
        return "PlayStation", f"{match[1]}.{match[2]}"
    if (match := _NINTENDO.search(text)) is not None:
        return ("Nintendo Mobile" if match[1] in _NINTENDO_HANDHELDS else "Nintendo"), match[1]
    name = OPERATING_SYSTEMS.get(family)
    if name is None:
        return ("GNU/Linux", "") if "Linux" in text else ("", "")
    return name, version


def _screen_size(agent: _UserAgent) -> str:
    text = agent.ua_string
    if _TV_OR_CONSOLE.matches(text):
        return "Desktop"
    if _CAR.matches(text):
        return "Tablet"
    if _HANDHELD.matches(text):
        return "Mobile"
    if agent.is_pc or agent.os.family in DESKTOP_SYSTEMS:
        return "Desktop"
    if agent.is_tablet:
        return "Tablet"
    return "Mobile" if agent.is_mobile or "Mobile" in text else ""


def _version(major: str | None, minor: str | None = None) -> str:
    """Keep the first two parts (spec/enrichment.md §2)."""
    return f"{major}.{minor}" if major and minor else major or ""

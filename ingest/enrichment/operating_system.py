"""Finds the operating system and its version in a user agent."""

import re
from typing import Final

from ingest.enrichment.parsed_agent import ParsedAgent
from ingest.enrichment.pattern_set import NamePatterns
from ingest.enrichment.system_names import (
    FALLBACK_PATTERNS,
    FIRE_OS_VERSIONS,
    LINEAGE_OS_VERSIONS,
    OPERATING_SYSTEMS,
    SYSTEM_PATTERNS,
    WEBOS_VERSIONS,
)

_NAMED: Final = NamePatterns(SYSTEM_PATTERNS)
_FALLBACK: Final = NamePatterns(FALLBACK_PATTERNS)
_ANDROID_TV: Final = re.compile(
    r"Android ?TV|\bBRAVIA|Andr0id|Smart[ _-]?TV\b(?!/)", re.ASCII | re.IGNORECASE
)
_ANDROID_VERSION: Final = re.compile(
    r"Andr[o0]id[ /]([0-9]+(?:\.[0-9]+)?)", re.ASCII | re.IGNORECASE
)
_PLAYSTATION: Final = re.compile(r"\bPlayStation ([0-9])[ /]([0-9]+)", re.ASCII)
_NINTENDO: Final = re.compile(r"\bNintendo (Switch|WiiU|Wii|3DS|DSi|DS)\b", re.ASCII)
_NINTENDO_HANDHELDS: Final = frozenset({"3DS", "DS", "DSi"})
_APPLE_VERSION: Final = re.compile(r"\bVersion/((?:2[6-9]|[3-9][0-9])\.[0-9]+)")
_FROZEN: Final = frozenset({("iOS", "18.6"), ("iOS", "18.7"), ("Mac OS X", "10.15")})
"""Versions that Apple's systems always report since version 26; Safari's version is the
system's."""

_FIRE_OS: Final = re.compile(
    r"\b(?:KF[A-Z]{2,6}|AFT[A-Z][A-Z0-9]*|AEO[A-Z]{2}|Kindle Fire)\b", re.ASCII
)
_WEBOS: Final = re.compile(r"WEBOS([0-9]+(?:\.[0-9]+)?)", re.ASCII)
_WEBOS_CHROME: Final = re.compile(r"Chr[o0]me/([0-9]+)\.", re.ASCII)
_DARWIN: Final = re.compile(r"\bDarwin/([0-9]+)\.", re.ASCII)
_MAC: Final = re.compile(r"\((?:x86_64|i386|Power%20Macintosh)\)", re.ASCII)
_FACEBOOK: Final = re.compile(r"FBSV/ ?([0-9]+(?:\.[0-9]+)?)", re.ASCII)
_FIRST_MAC_OS_DARWIN: Final = 5
_IPADOS_MAJOR: Final = 13


def name_system(agent: ParsedAgent) -> tuple[str, str]:
    """Return the system's name and the first two parts of its version; both may be empty."""
    text, family, version = agent.ua_string, agent.os.family, agent.os.version_string
    named = _NAMED.find(text)
    if named is not None:
        return named
    if agent.is_android:
        return _android(text, version)
    if family == "Web0S" or "Web0S" in text:
        return "webOS", _webos_version(text)
    if _MAC.search(text) is not None and (darwin := _DARWIN.search(text)) is not None:
        return "Mac", _mac_version(int(darwin[1]))
    if (family, version) in _FROZEN and (match := _APPLE_VERSION.search(text)) is not None:
        version = match[1]
    if not version and (match := _FACEBOOK.search(text)) is not None:
        version = match[1]
    if family == "iOS" and ("iPad" in text or "iPadOS" in text):
        major = version.partition(".")[0]
        return ("iPadOS" if major.isdecimal() and int(major) >= _IPADOS_MAJOR else "iOS"), version
    if (match := _PLAYSTATION.search(text)) is not None:
        return "PlayStation", f"{match[1]}.{match[2]}"
    if (match := _NINTENDO.search(text)) is not None:
        return ("Nintendo Mobile" if match[1] in _NINTENDO_HANDHELDS else "Nintendo"), match[1]
    name = OPERATING_SYSTEMS.get(family)
    if name is None:
        return _FALLBACK.find(text) or ("", "")
    if name == "Windows" and version in ("CE", "RT"):
        return f"Windows {version}", ""
    return name, version


def _android(text: str, version: str) -> tuple[str, str]:
    if "HarmonyOS" in text:
        return "HarmonyOS", ""
    if not version and (match := _ANDROID_VERSION.search(text)) is not None:
        version = match[1]
    major = version.partition(".")[0]
    if _FIRE_OS.search(text):
        return "Fire OS", FIRE_OS_VERSIONS.get(version) or FIRE_OS_VERSIONS.get(major, "")
    if "lineage_" in text:
        return "Lineage OS", LINEAGE_OS_VERSIONS.get(version) or LINEAGE_OS_VERSIONS.get(major, "")
    return ("Android TV" if _ANDROID_TV.search(text) else "Android"), version


def _webos_version(text: str) -> str:
    if (match := _WEBOS.search(text)) is not None:
        return match[1]
    match = _WEBOS_CHROME.search(text)
    return "" if match is None else WEBOS_VERSIONS.get(match[1], "")


def _mac_version(darwin: int) -> str:
    # Darwin's version increases by one each time; macOS changed from 10.x to integers.
    if darwin < _FIRST_MAC_OS_DARWIN:
        return ""
    return f"10.{darwin - 4}" if darwin < 20 else str(darwin - 9)

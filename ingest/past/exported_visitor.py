"""What exports of other analytics say of a visitor: place, browser and system.

An export has the results of a detection, in place of the address and the user agent.
"""

from typing import Final

from ingest.model.event import NOWHERE, Place

_SYSTEMS: Final = {
    "macOS": "Mac",
    "Mac OS": "Mac",
    "OS X": "Mac",
    "Linux": "GNU/Linux",
    "ChromeOS": "Chrome OS",
    "Android OS": "Android",
    "Amazon OS": "Fire OS",
}


def exported_place(country: str, region: str) -> Place:
    """Return the place of a country and a region.

    Args:
        country: ISO 3166-1 alpha-2; `XX` and anything else is unknown.
        region: ISO 3166-2, with or without the country; empty if unknown.
    """
    country, region = country.strip().upper(), region.strip().upper()
    if len(country) != 2 or not country.isascii() or not country.isalpha() or country == "XX":
        return NOWHERE
    region = region.removeprefix(f"{country}-")
    return Place(country, f"{country}-{region}" if region else "")


def name_and_version(text: str) -> tuple[str, str]:
    """Split a text such as `Firefox 120.0`; return the first two numbers of the version."""
    name, _, version = text.strip().rpartition(" ")
    if not name or not version[:1].isdecimal():
        return text.strip(), ""
    return name, short_version(version)


def short_version(version: str) -> str:
    """Return the first two numbers of a version."""
    return ".".join(version.strip().split(".")[:2])


def system_name(name: str) -> str:
    """Return a system's name in the tables."""
    return _SYSTEMS.get(name, name)

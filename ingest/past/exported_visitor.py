"""What the readers of exports share: an event, and its visitor's place, browser and system.

An export has the results of a detection, in place of the address and the user agent.
"""

from typing import Any, Final

from ingest.model.event import NOWHERE, EventRequest, Place
from ingest.past.past_event import ReaderOptions, broken_by
from ingest.request.invalid import InvalidRequest
from ingest.request.parse import parse_event

_SYSTEMS: Final = {
    "macOS": "Mac",
    "Mac OS": "Mac",
    "OS X": "Mac",
    "Linux": "GNU/Linux",
    "ChromeOS": "Chrome OS",
    "Android OS": "Android",
    "Amazon OS": "Fire OS",
}


def exported_event(
    fields: dict[str, Any],
    options: ReaderOptions,
    *,
    timestamp: int,
    visitor: str,
    user_agent: str | None = None,
) -> EventRequest:
    """Return the request that a tracker would have sent.

    Args:
        fields: As a tracker sends them.
        options: The options of readers.
        timestamp: Unix seconds.
        visitor: Identifies the visitor, in place of the address.
        user_agent: None if the export has none.

    Raises:
        BrokenLineError: A field is invalid.
    """
    try:
        return parse_event(
            fields,
            timestamp=timestamp,
            client_ip=visitor,
            user_agent=user_agent,
            ip_type=None,
            received=options.received,
        )
    except InvalidRequest as invalid:
        raise broken_by(invalid) from None


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

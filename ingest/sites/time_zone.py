"""Time zones by their names in the IANA database, which the system has."""

from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

UTC_NAMES: Final = frozenset({"UTC", "Etc/UTC"})
"""Names that need no database. The second is Plausible's default."""

_KNOWN_EVERYWHERE: Final = "Europe/London"


def find_time_zone(name: str | None) -> tzinfo | None:
    """Return a time zone.

    Args:
        name: Such as Europe/Berlin; None for UTC.

    Returns:
        None if the system does not know it.
    """
    if name is None or name in UTC_NAMES:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a directory
        return None


def time_zone_problem(name: str) -> str | None:
    """Return what was expected instead of a name; None if it is a time zone.

    On a system without the database every name passes: a site must not be lost for it.
    """
    if find_time_zone(name) is None and find_time_zone(_KNOWN_EVERYWHERE) is not None:
        return "a time zone such as Europe/Berlin"
    return None

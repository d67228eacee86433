"""GoatCounter's export: a CSV file with a line for each pageview, in format version 1 or 2.

The columns, as described in GoatCounter's documentation of exports: path, title, whether it is an
event, user agent, browser, system, session, bot, referrer and its kind, screen size, location,
whether it is the session's first pageview, date. In version 1, `Browser` is the user agent, and
there are no columns for the names of browser and system. The file has neither hosts nor addresses.
"""

import re
from typing import Any, Final
from urllib.parse import quote, urlencode

from ingest.enrichment.browser_names import BROWSERS
from ingest.model.event import PAGEVIEW, Device, Place
from ingest.past.csv_line import is_whole, names_of, row_of
from ingest.past.exported_visitor import (
    exported_event,
    exported_place,
    name_and_version,
    system_name,
)
from ingest.past.log_time import iso_time
from ingest.past.past_event import (
    BrokenLineError,
    NoHostError,
    PastEvent,
    ReaderOptions,
    SkipReason,
)

VERSIONS: Final = ("1", "2")
"""The supported versions. The name of the first column begins with the version."""

_COLUMNS: Final = ("Path", "Event", "Session", "Referrer", "Date")
"""The required columns."""

_TRUE: Final = frozenset({"1", "t", "true", "y", "yes"})
_NO_BOT: Final = frozenset({"", "0", "f", "false"})
"""Values of the bot column for visitors. Other numbers say how a bot was detected."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SHORTENED: Final = "~"
"""Prefix of a user agent with GoatCounter's abbreviations (`~Z` for `Mozilla/5.0`). It has less
information than the columns for browser and system."""
_HTTP: Final = "h"
_KEPT: Final = "/?&=%+:,;@!$*()~"
_TABLET_PIXELS, _DESKTOP_PIXELS = 576, 992
"""Minimum screen widths of tablets and desktops. Plausible used these widths before it used user
agents."""


class GoatCounterReader:
    """Reads an export with the columns named in its first line.

    The session id identifies a visitor, in place of address and user agent. If sessions are not
    collected, the line's browser, system, screen and location identify the visitor.
    """

    def __init__(self, options: ReaderOptions, header: bytes) -> None:
        """Create the reader for an import.

        Args:
            options: The options of readers.
            header: The file's first line.

        Raises:
            BrokenLineError: The header lacks required columns.
        """
        self._options = options
        self._header = header.rstrip(b"\r\n")
        names = names_of(self._header)
        self._version = names[0][:1]
        if self._version not in VERSIONS:
            raise BrokenLineError(f"not an export of version {' or '.join(VERSIONS)}")
        names[0] = names[0].removeprefix(self._version)
        self._columns = [name.lower() for name in names]
        if not all(name.lower() in self._columns for name in _COLUMNS):
            raise BrokenLineError(f"names no columns {', '.join(_COLUMNS)}")

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        if line.rstrip(b"\r") == self._header:
            return SkipReason.HEADER
        row = row_of(line, self._columns)
        if self._options.site is None:
            raise NoHostError("says nothing of the host: the site has to be named")
        if self._version == "1":
            row["useragent"] = row.pop("browser", "")
        user_agent = row.get("useragent", "")
        if user_agent.startswith(_SHORTENED):
            user_agent = ""
        request = exported_event(
            _fields(row, self._options.site),
            self._options,
            timestamp=iso_time(row["date"]),
            visitor=_visitor(row),
            user_agent=user_agent or None,
        )
        return PastEvent(
            request,
            place=_place(row.get("location", "")),
            device=None if user_agent else _device(row),
            is_bot=row.get("bot", "").lower() not in _NO_BOT,
        )

    def is_whole(self, line: bytes) -> bool:
        """Return False inside a quoted title, which may have several lines."""
        return is_whole(line)


def _visitor(row: dict[str, str]) -> str:
    session = row["session"]
    if session.strip("0-"):
        return session
    return ",".join(row.get(name, "") for name in ("browser", "system", "screen size", "location"))


def _fields(row: dict[str, str], site: str) -> dict[str, Any]:
    """Return the event's fields, with the keys of the events API."""
    path = row["path"]
    if row["event"].lower() in _TRUE:
        # The path is the event's name. The export does not have the page.
        name, url = path, f"https://{site}/"
    else:
        # GoatCounter stores decoded paths, so encode the characters that would end the path.
        kept = quote(path.removeprefix("/"), _KEPT, errors="surrogateescape")
        name, url = PAGEVIEW, f"https://{site}/{kept}"
    fields = {"n": name, "u": url, "d": site}
    referrer = row["referrer"]
    kind = row.get("referrer scheme") or row.get("ref scheme") or ""
    if not referrer:
        return fields
    # A later scheme is part of the path: `web.archive.org/web/2024/https://…`.
    if _SCHEME.match(referrer):  # a full URL, or an app's
        return {**fields, "r": referrer}
    if kind in ("", _HTTP):
        return {**fields, "r": f"https://{referrer}"}
    # A campaign, or GoatCounter's name for a group of sources.
    tag = urlencode({"utm_source": referrer}, errors="surrogateescape")
    return {**fields, "u": f"{url}{'&' if '?' in url else '?'}{tag}"}


def _place(location: str) -> Place:
    """Parse a location such as `US` or `US-TX` (ISO 3166-2)."""
    country, _, region = location.partition("-")
    return exported_place(country, region)


def _device(row: dict[str, str]) -> Device:
    browser, browser_version = name_and_version(row.get("browser", ""))
    system, system_version = name_and_version(row.get("system", ""))
    return Device(
        BROWSERS.get(browser, browser),
        browser_version,
        system_name(system),
        system_version,
        _screen_size(row.get("screen size", "")),
    )


def _screen_size(text: str) -> str:
    """Return the device class for a size such as `1920,1080,1` (width, height and scale)."""
    width = text.partition(",")[0].strip()
    if not (width.isascii() and width.isdecimal()) or len(width) > 6 or int(width) == 0:
        return ""
    pixels = int(width)
    if pixels < _TABLET_PIXELS:
        return "Mobile"
    return "Tablet" if pixels < _DESKTOP_PIXELS else "Desktop"

"""GoatCounter's export: a CSV file with a line for each page view, versions 1 and 2 of its format.

The columns, as GoatCounter's documentation of exports describes them: path, title, whether it is an
event, user agent, browser, system, session, bot, referrer and its kind, screen size, location,
whether it is the session's first view, date. Version 1 has the user agent under `Browser`, and no
names of browser and system. The file tells neither host nor address.
"""

import csv
import io
import re
from typing import Any, Final
from urllib.parse import quote, urlencode

from ingest.enrichment.browser_names import BROWSERS
from ingest.model.event import NOWHERE, PAGEVIEW, Device, Place
from ingest.past.log_time import iso_time
from ingest.past.past_event import (
    BrokenLineError,
    NoHostError,
    PastEvent,
    ReaderOptions,
    SkipReason,
    broken_by,
    text_of,
)
from ingest.request.invalid import InvalidRequest
from ingest.request.parse import parse_event

VERSIONS: Final = ("1", "2")
"""One stands before the first column's name."""

_COLUMNS: Final = ("Path", "Event", "Session", "Referrer", "Date")
"""Without these a file is of no use."""

_SYSTEMS: Final = {"macOS": "Mac", "OS X": "Mac", "Linux": "GNU/Linux", "ChromeOS": "Chrome OS"}
_TRUE: Final = frozenset({"1", "t", "true", "y", "yes"})
_NO_BOT: Final = frozenset({"", "0", "f", "false"})
"""Other numbers say how it was recognised."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SHORTENED: Final = "~"
"""Begins a user agent in GoatCounter's own abbreviations (`~Z` for `Mozilla/5.0`), which say less
than the names of browser and system beside it."""
_HTTP: Final = "h"
_KEPT: Final = "/?&=%+:,;@!$*()~"
_TABLET_PIXELS, _DESKTOP_PIXELS = 576, 992
"""Widths from which a screen is a tablet's and a desktop's; Plausible's own, before user agents
told it."""


class GoatCounterReader:
    """Reads an export by the columns that its first line names.

    A visitor is known by the session's id, which stands for address and user agent; where sessions
    are not collected, by what the line tells of browser, system, screen and location.
    """

    def __init__(self, options: ReaderOptions, header: bytes) -> None:
        """Read for an import.

        Args:
            options: What it has to know.
            header: The file's first line.

        Raises:
            BrokenLineError: It names no such columns.
        """
        self._options = options
        self._header = header.rstrip(b"\r\n")
        names = [name.strip() for name in _cells(self._header.removeprefix(b"\xef\xbb\xbf"))]
        self._version = names[0][:1]
        if self._version not in VERSIONS:
            raise BrokenLineError(f"not an export of version {' or '.join(VERSIONS)}")
        names[0] = names[0].removeprefix(self._version)
        self._columns = {name.lower(): number for number, name in enumerate(names)}
        if not all(name.lower() in self._columns for name in _COLUMNS):
            raise BrokenLineError(f"names no columns {', '.join(_COLUMNS)}")
        self._width = len(names)

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        if line.rstrip(b"\r") == self._header:
            return SkipReason.HEADER
        cells = _cells(line)
        if len(cells) != self._width:
            raise BrokenLineError(f"has {len(cells)} columns, expected {self._width}")
        row = {name: cells[number] for name, number in self._columns.items()}
        if self._options.site is None:
            raise NoHostError("says nothing of the host: the site has to be named")
        if self._version == "1":
            row["useragent"] = row.pop("browser", "")
        user_agent = row.get("useragent", "")
        if user_agent.startswith(_SHORTENED):
            user_agent = ""
        try:
            request = parse_event(
                _fields(row, self._options.site),
                timestamp=iso_time(row["date"]),
                client_ip=_visitor(row),
                user_agent=user_agent or None,
                ip_type=None,
                received=self._options.received,
            )
        except InvalidRequest as invalid:
            raise broken_by(invalid) from None
        return PastEvent(
            request,
            place=_place(row.get("location", "")),
            device=None if user_agent else _device(row),
            is_bot=row.get("bot", "").lower() not in _NO_BOT,
        )

    def is_whole(self, line: bytes) -> bool:
        """A title in quotes may have several lines."""
        return line.count(b'"') % 2 == 0


def _cells(line: bytes) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(text_of(line), newline=""), strict=True))
    except csv.Error:
        raise BrokenLineError("not a line of CSV") from None
    if len(rows) != 1 or not rows[0]:
        raise BrokenLineError("not a line of CSV")
    return rows[0]


def _visitor(row: dict[str, str]) -> str:
    session = row["session"]
    if session.strip("0-"):
        return session
    return ",".join(row.get(name, "") for name in ("browser", "system", "screen size", "location"))


def _fields(row: dict[str, str], site: str) -> dict[str, Any]:
    """The event by the keys of the wire."""
    path = row["path"]
    if row["event"].lower() in _TRUE:
        # The path is the event's name; the page is not told.
        name, url = path, f"https://{site}/"
    else:
        # Paths are kept decoded: what would end one is encoded again.
        kept = quote(path.removeprefix("/"), _KEPT, errors="surrogateescape")
        name, url = PAGEVIEW, f"https://{site}/{kept}"
    fields = {"n": name, "u": url, "d": site}
    referrer = row["referrer"]
    kind = row.get("referrer scheme") or row.get("ref scheme") or ""
    if not referrer:
        return fields
    # A scheme further on belongs to the path: `web.archive.org/web/2024/https://…`.
    if _SCHEME.match(referrer):  # whole, or an app's
        return {**fields, "r": referrer}
    if kind in ("", _HTTP):
        return {**fields, "r": f"https://{referrer}"}
    # A campaign, or the name that GoatCounter gives to a group of sources.
    tag = urlencode({"utm_source": referrer}, errors="surrogateescape")
    return {**fields, "u": f"{url}{'&' if '?' in url else '?'}{tag}"}


def _place(location: str) -> Place:
    """`US`, or `US-TX`; ISO 3166-2."""
    country, _, region = location.strip().upper().partition("-")
    if len(country) != 2 or not country.isascii() or not country.isalpha():
        return NOWHERE
    return Place(country, f"{country}-{region}" if region else "")


def _device(row: dict[str, str]) -> Device:
    browser, browser_version = _name_and_version(row.get("browser", ""))
    system, system_version = _name_and_version(row.get("system", ""))
    return Device(
        BROWSERS.get(browser, browser),
        browser_version,
        _SYSTEMS.get(system, system),
        system_version,
        _screen_size(row.get("screen size", "")),
    )


def _name_and_version(text: str) -> tuple[str, str]:
    """`Firefox 120.0` in its parts; the version's first two numbers."""
    name, _, version = text.strip().rpartition(" ")
    if not name or not version[:1].isdecimal():
        return text.strip(), ""
    return name, ".".join(version.split(".")[:2])


def _screen_size(text: str) -> str:
    """`1920,1080,1`: width, height and scale."""
    width = text.partition(",")[0].strip()
    if not (width.isascii() and width.isdecimal()) or len(width) > 6 or int(width) == 0:
        return ""
    pixels = int(width)
    if pixels < _TABLET_PIXELS:
        return "Mobile"
    return "Tablet" if pixels < _DESKTOP_PIXELS else "Desktop"

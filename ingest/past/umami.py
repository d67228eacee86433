"""Umami's tables as CSV: `website_event`, with the columns of `session` if they are joined.

The columns are those of Umami's database (versions 2 and 3): `event_type` is 1 for a pageview and 2
for a custom event; `session_id` identifies the visitor. There are neither addresses nor user
agents. Properties of events are in another table, and are not in the file.
"""

from typing import Final
from urllib.parse import quote

from ingest.model.event import PAGEVIEW, Device
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

_COLUMNS: Final = ("session_id", "created_at", "url_path", "event_type")
"""The required columns."""

_OTHER_COLUMNS: Final = (
    *("hostname", "url_query", "referrer_domain", "referrer_path", "referrer_query"),
    *("event_name", "browser", "os", "device", "country", "region", "subdivision1"),
)

_PAGEVIEW, _CUSTOM_EVENT = "1", "2"

_BOT: Final = "searchbot"
_APP: Final = "Mobile App"
_BROWSERS: Final = {
    "android": "Android Browser",
    "aol": "AOL Desktop",
    "bb10": "BlackBerry Browser",
    "chrome": "Chrome",
    "chromium-webview": _APP,
    "crios": "Chrome",
    "edge": "Microsoft Edge",
    "edge-chromium": "Microsoft Edge",
    "edge-ios": "Microsoft Edge",
    "facebook": _APP,
    "firefox": "Firefox",
    "fxios": "Firefox",
    "ie": "Internet Explorer",
    "instagram": _APP,
    "ios": "Safari",
    "ios-webview": _APP,
    "kakaotalk": "KakaoTalk",
    "miui": "Mi Browser",
    "netfront": "NetFront",
    "opera": "Opera",
    "opera-mini": "Opera",
    "pie": "Internet Explorer",
    "safari": "Safari",
    "samsung": "Samsung Browser",
    "silk": "Mobile Silk",
    "yandexbrowser": "Yandex Browser",
}
"""Umami's names of browsers, which are those of the package `detect-browser`."""

_DEVICES: Final = {
    "desktop": "Desktop",
    "laptop": "Desktop",
    "tablet": "Tablet",
    "mobile": "Mobile",
}
_WINDOWS: Final = "Windows "
_OTHER_WINDOWS: Final = ("Windows Mobile", "Windows CE")
_KEPT: Final = "/&=%+:,;@!$*()~"


class UmamiReader:
    """Reads an export with the columns named in its first line."""

    def __init__(self, options: ReaderOptions, header: bytes) -> None:
        """Create the reader for an import.

        Args:
            options: The options of readers.
            header: The file's first line.

        Raises:
            BrokenLineError: The header lacks required columns, or names one of the columns twice.
        """
        self._options = options
        self._header = header.rstrip(b"\r\n")
        self._columns = [name.lower() for name in names_of(self._header)]
        if not all(name in self._columns for name in _COLUMNS):
            raise BrokenLineError(f"names no columns {', '.join(_COLUMNS)}")
        for name in (*_COLUMNS, *_OTHER_COLUMNS):
            # Both tables have `created_at` and `session_id`.
            if self._columns.count(name) > 1:
                raise BrokenLineError(f"names {name} twice")

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        if line.rstrip(b"\r") == self._header:
            return SkipReason.HEADER
        row = row_of(line, self._columns)
        kind = row["event_type"].strip()
        if kind == _PAGEVIEW:
            name = PAGEVIEW
        elif kind == _CUSTOM_EVENT:
            name = row.get("event_name", "")
        elif kind.isdecimal():
            return SkipReason.OTHER_ACTION
        else:
            raise BrokenLineError("event_type is no number")
        if not row["session_id"]:
            raise BrokenLineError("session_id is empty")
        host = row.get("hostname") or self._options.site
        if not host:
            raise NoHostError("says nothing of the host: the site has to be named")
        request = exported_event(
            {"n": name, "u": _url(row, host), "d": self._options.site, "r": _referrer(row)},
            self._options,
            timestamp=iso_time(row["created_at"]),
            visitor=row["session_id"],
        )
        browser = row.get("browser", "")
        return PastEvent(
            request,
            place=exported_place(
                row.get("country", ""), row.get("region") or row.get("subdivision1", "")
            ),
            device=_device(row, browser),
            is_bot=browser == _BOT,
        )

    def is_whole(self, line: bytes) -> bool:
        """Return False inside a quoted title, which may have several lines."""
        return is_whole(line)


def _url(row: dict[str, str], host: str) -> str:
    # Umami stores decoded paths, so encode the characters that would end the path.
    path = quote(row["url_path"].removeprefix("/"), _KEPT, errors="surrogateescape")
    query = quote(row.get("url_query", ""), _KEPT + "?", errors="surrogateescape")
    return f"https://{host}/{path}" + (f"?{query}" if query else "")


def _referrer(row: dict[str, str]) -> str | None:
    host = row.get("referrer_domain", "")
    if not host:
        return None
    path = row.get("referrer_path", "").removeprefix("/")
    query = row.get("referrer_query", "")
    return f"https://{host}/{path}" + (f"?{query}" if query else "")


def _device(row: dict[str, str], browser: str) -> Device:
    system, version = row.get("os", "").strip(), ""
    if system.startswith(_WINDOWS) and system not in _OTHER_WINDOWS:
        system, version = "Windows", system.removeprefix(_WINDOWS)
    else:
        system, version = name_and_version(system)
    return Device(
        browser=_BROWSERS.get(browser, browser),
        operating_system=system_name(system),
        operating_system_version=version,
        screen_size=_DEVICES.get(row.get("device", "").strip().lower(), ""),
    )

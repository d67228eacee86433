"""Logs of IIS and CloudFront in the W3C extended format, whose `#Fields` lines name the columns.

IIS separates columns by spaces and writes a space in a value as `+`. CloudFront separates columns
by tabs and percent-encodes the values, including a `%` in the URL.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from ingest.past.log_address import Visitors
from ingest.past.log_fields import LogField, logged_request
from ingest.past.log_time import iso_time
from ingest.past.pageview import pageview
from ingest.past.past_event import (
    BrokenLineError,
    PastEvent,
    ReaderOptions,
    SkipReason,
    text_of,
)

_FIELDS: Final = "#Fields:"
_COLUMNS: Final[dict[str, tuple[LogField, int]]] = {
    "c-ip": ("address", 1),
    "x-forwarded-for": ("forwarded", 2),
    "cs(x-forwarded-for)": ("forwarded", 1),
    "x-host-header": ("host", 2),  # the requested host; in CloudFront, cs(Host) is CloudFront's own
    "cs-host": ("host", 1),
    "cs(host)": ("host", 1),
    "cs-method": ("method", 1),
    "cs-uri-stem": ("path", 1),
    "cs-uri": ("path", 2),
    "cs-uri-query": ("query", 1),
    "sc-status": ("status", 1),
    "cs(referer)": ("referrer", 1),
    "cs(user-agent)": ("user_agent", 1),
    "sc-content-type": ("content_type", 1),
}
"""The field and the rank of each column, by name in lower case. Of two columns for a field, the one
with the higher rank is used."""
_NEEDED: Final = {
    "date": "date",
    "time": "time",
    "address": "c-ip",
    "path": "cs-uri-stem",
    "status": "sc-status",
}
_TEXTS: Final[tuple[LogField, ...]] = ("referrer", "user_agent", "content_type")
_ADDRESS_PARTS: Final[tuple[LogField, ...]] = ("path", "query")


class W3cLogReader:
    """Reads lines by the columns of the last `#Fields` line before them."""

    def __init__(self, options: ReaderOptions, lines: Sequence[bytes]) -> None:
        """Create the reader for an import.

        Args:
            options: The options of readers.
            lines: The file's first lines; reading may begin after them.

        Raises:
            BrokenLineError: No line names the columns, or required columns are missing.
        """
        self._options = options
        self._visitors = Visitors(options.proxies)
        header = next((text for text in map(text_of, lines) if text.startswith(_FIELDS)), None)
        if header is None:
            raise BrokenLineError("has no line that begins with #Fields:")
        self._take_columns(header)

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        text = text_of(line)
        if text.startswith("#"):
            if text.startswith(_FIELDS):
                self._take_columns(text)
            return SkipReason.HEADER
        cells = text.split("\t" if self._has_tabs else " ")
        if len(cells) != self._width:
            raise BrokenLineError("has not as many columns as #Fields names")
        values = {field: cells[number] for field, number in self._columns.items()}
        for field in _TEXTS:
            if field in values:
                values[field] = self._text(values[field])
        if self._has_tabs:
            for field in _ADDRESS_PARTS:
                if field in values:
                    values[field] = values[field].replace("%25", "%")
        time = iso_time(f"{cells[self._date]}T{cells[self._time]}")
        return pageview(logged_request(values, time, self._visitors), self._options)

    def is_whole(self, line: bytes) -> bool:
        """Return True: each line is a record."""
        return True

    def _take_columns(self, header: str) -> None:
        names = header.removeprefix(_FIELDS).lower().split()
        columns: dict[LogField, int] = {}
        ranks: dict[LogField, int] = {}
        for number, name in enumerate(names):
            field, rank = _COLUMNS.get(name, (None, 0))
            if field is not None and rank > ranks.get(field, 0):
                columns[field], ranks[field] = number, rank
        known = {*columns, *names}
        missing = [name for field, name in _NEEDED.items() if field not in known]
        if missing:
            raise BrokenLineError(f"#Fields names no {', '.join(missing)}")
        self._columns, self._width = columns, len(names)
        self._date, self._time = names.index("date"), names.index("time")
        self._has_tabs = "x-edge-location" in names

    def _text(self, text: str) -> str:
        if self._has_tabs:
            decoded = unquote(text, errors="surrogateescape")
            # Until 2019, CloudFront encoded values twice.
            return unquote(decoded, errors="surrogateescape") if "%20" in decoded else decoded
        # Two pluses are a space and a plus: `;++http://…`.
        return text.replace("++", " \0").replace("+", " ").replace("\0", "+")

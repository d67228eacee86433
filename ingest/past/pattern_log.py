"""Access logs in a custom format, read by its pattern."""

from ingest.past.log_address import NOTHING, Visitors
from ingest.past.log_fields import LogField, logged_request
from ingest.past.log_pattern import LinePattern, parse_pattern
from ingest.past.log_prefix import is_other_message, message_of
from ingest.past.log_text import unescape
from ingest.past.log_time import any_time, formatted_time
from ingest.past.pageview import pageview
from ingest.past.past_event import (
    BrokenLineError,
    PastEvent,
    ReaderOptions,
    SkipReason,
    text_of,
)


class PatternLogReader:
    """Reads lines by the pattern in the options."""

    def __init__(self, options: ReaderOptions) -> None:
        """Create the reader for an import.

        Raises:
            BrokenLineError: The pattern is missing or invalid.
        """
        self._options = options
        self._visitors = Visitors(options.proxies)
        try:
            self._pattern: LinePattern = parse_pattern(options.pattern or "")
        except ValueError as error:
            raise BrokenLineError(str(error)) from None
        numbered = enumerate(part.variable for part in self._pattern.parts)
        # Of several variables for a field, the last in this list that has a value is used.
        self._fields = sorted(
            (variable.rank, number, variable.field)
            for number, variable in numbered
            if variable.field is not None and variable.field != "time"
        )
        self._times = [
            (number, part.variable.time_format)
            for number, part in enumerate(self._pattern.parts)
            if part.variable.field == "time"
        ]
        self._has_address = any(field == "address" for _, _, field in self._fields)

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        text = text_of(line)
        try:
            return self._read(text)
        except BrokenLineError:
            if is_other_message(text):
                return SkipReason.OTHER_MESSAGE
            # Not earlier: the beginning of a line may look like a log collector's time.
            message = message_of(text)
            if message == text:
                raise
            return self._read(message)

    def is_whole(self, line: bytes) -> bool:
        """Return True: each line is a record."""
        return True

    def _read(self, line: str) -> PastEvent | SkipReason:
        cells = self._pattern.cut(line)
        values: dict[LogField, str] = {}
        for _, number, field in self._fields:
            cell = unescape(cells[number])
            if field not in values or cell not in NOTHING:
                values[field] = cell
        if not self._has_address:
            values["address"] = values.pop("forwarded")
        request = logged_request(values, self._time(cells), self._visitors)
        return pageview(request, self._options)

    def _time(self, cells: list[str]) -> int:
        formats = [form for _, form in self._times]
        texts = [cells[number] for number, _ in self._times]
        if None in formats:
            return any_time(texts[formats.index(None)])
        return formatted_time(" ".join(texts), " ".join(map(str, formats)))

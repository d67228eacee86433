"""Events in JSON lines, with the same fields as the items of the batch endpoint."""

from typing import Final

from msgspec.structs import replace

from ingest.past.json_log import json_object
from ingest.past.log_time import within
from ingest.past.past_event import (
    BrokenLineError,
    PastEvent,
    ReaderOptions,
    SkipReason,
    broken_by,
)
from ingest.request.batch import Sender, read_event
from ingest.request.invalid import InvalidRequest
from ingest.request.sent_event import ALIASES

NAMES: Final = ALIASES["event_name"]
DOMAINS: Final = ALIASES["domains"]


class EventLinesReader:
    """Reads one event per line, with the rules of `POST /api/events`.

    A line may always set time, address and user agent. The time is required.
    """

    def __init__(self, options: ReaderOptions) -> None:
        """Create the reader for an import."""
        self._options = options
        self._sender = Sender(
            received=options.received,
            oldest=1,
            client_ip="",
            user_agent=None,
            ip_type=None,
            may_set=lambda _: True,
        )

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        item = json_object(line)
        if not any(item.get(name) is not None for name in NAMES):
            raise BrokenLineError("has no name of an event")
        if item.get("timestamp") is None:
            raise BrokenLineError("timestamp: is required")
        if self._options.site is not None and not any(item.get(name) for name in DOMAINS):
            item["d"] = self._options.site
        try:
            request = read_event(item, self._sender)
        except InvalidRequest as invalid:
            raise broken_by(invalid) from None
        within(request.timestamp)
        return PastEvent(replace(request, received=self._options.received))

    def is_whole(self, line: bytes) -> bool:
        """Return True: each line is a record."""
        return True

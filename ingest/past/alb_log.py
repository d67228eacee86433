"""Access logs of AWS's Application Load Balancer and Classic Load Balancer."""

import re
from typing import Final

from ingest.past.log_address import Visitors, without_port
from ingest.past.log_fields import LogField, logged_request
from ingest.past.log_text import QUOTED, method_and_target, unescape
from ingest.past.log_time import iso_time
from ingest.past.pageview import pageview
from ingest.past.past_event import (
    BrokenLineError,
    PastEvent,
    ReaderOptions,
    SkipReason,
    text_of,
)

_LINE: Final = re.compile(
    r"(?:(?:https?|h2|wss?|grpcs?) )?"
    r"(\d{4}-\S++) \S++ (\S++) \S++ \S++ \S++ \S++ "  # time, balancer, client, target, durations
    rf"(\d{{3}}|-) (?:\d{{3}}|-) \d++ \d++ {QUOTED} {QUOTED}(?: .*)?",
    re.DOTALL,
)


class AlbLogReader:
    """Reads both formats. They have no referrer. The host is in the request's URL."""

    def __init__(self, options: ReaderOptions) -> None:
        """Create the reader for an import."""
        self._options = options
        self._visitors = Visitors(options.proxies)

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        match = _LINE.fullmatch(text_of(line))
        if match is None:
            raise BrokenLineError("not like: [type] time balancer client:port target:port …")
        time, client, status, request, agent = match.groups()
        method, target = method_and_target(unescape(request))
        # There is always a port, even after an IPv6 address without brackets.
        address = client if client.endswith("]") else client.rpartition(":")[0]
        values: dict[LogField, str] = {
            "address": without_port(address),
            "method": method,
            "path": target,
            "status": status,
            "user_agent": unescape(agent),
        }
        return pageview(logged_request(values, iso_time(time), self._visitors), self._options)

    def is_whole(self, line: bytes) -> bool:
        """Return True: each line is a record."""
        return True

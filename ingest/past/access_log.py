r"""Access logs of Apache and nginx in the formats common, combined and vhost_combined.

A line is `host - user [time] "request" status bytes "referrer" "agent"`, as defined by Apache's
`LogFormat` and nginx's `log_format combined`. In vhost_combined, the virtual host and its port come
first. A prefix of syslog, journald or Docker may come before the line. The rest of the line is
ignored, except a third quoted string that is a list of addresses: in the example format of nginx's
documentation, it is `X-Forwarded-For`.
"""

import re
from typing import Final

from ingest.past.log_address import (
    Visitors,
    host_of,
    is_forwarded,
    is_virtual_host,
    is_visitor,
)
from ingest.past.log_prefix import is_other_message, message_of
from ingest.past.log_text import QUOTED, field, method_and_target, unescape
from ingest.past.log_time import common_time, iso_time
from ingest.past.pageview import LoggedRequest, pageview
from ingest.past.past_event import (
    BrokenLineError,
    PastEvent,
    ReaderOptions,
    SkipReason,
    text_of,
)

_LINE: Final = re.compile(
    # An IPv6 address may be in brackets, as the time is.
    rf"((?:[^\[]++|\[[0-9A-Fa-f:.]{{2,45}}\](?=[:, ]))++)"
    rf"\[([^\]]*+)\] {QUOTED} ([0-9]{{3}}|-) (?:[0-9]+|-)"
    rf"(?:\s++(?:{QUOTED} {QUOTED}(?: {QUOTED})?(?:\s.*)?|[^\"].*)?)?",
    re.DOTALL,
)


class AccessLogReader:
    """Reads the three formats. Each line is parsed on its own, so a file may mix them."""

    def __init__(self, options: ReaderOptions) -> None:
        """Create the reader for an import."""
        self._options = options
        self._visitors = Visitors(options.proxies)

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        text = text_of(line)
        match = _LINE.fullmatch(message_of(text))
        if match is None:
            if is_other_message(text):
                return SkipReason.OTHER_MESSAGE
            raise BrokenLineError('not like: address - - [time] "request" status bytes …')
        front, time, request, status, referrer, agent, third = match.groups()
        host, visitor = _host_and_visitor(front)
        peer, client = self._visitors.peer_and_client(visitor)
        method, target = method_and_target(unescape(request))
        return pageview(
            LoggedRequest(
                timestamp=common_time(time) if time[2:3] == "/" else iso_time(time),
                peer=peer,
                method=method,
                target=target,
                status=0 if status == "-" else int(status),
                host=host,
                referrer=field(referrer),
                user_agent=field(agent),
                forwarded=third if third and is_forwarded(third) else None,
                client=client,
            ),
            self._options,
        )

    def is_whole(self, line: bytes) -> bool:
        """Return True: each line is a record."""
        return True


def _host_and_visitor(front: str) -> tuple[str, str]:
    """Parse the part before the time: an optional host, the visitor, an identity, a user.

    The visitor is an address, a list of addresses, or a name. A name has a dot, which distinguishes
    a host before a name from a name before an identity.
    """
    if not front.endswith(" "):
        raise BrokenLineError("does not begin with address, identity and user")
    # Join the elements of a list into one word.
    words = front[:-1].replace(", ", ",").split(" ", 3)
    if len(words) < 3:
        raise BrokenLineError("does not begin with address, identity and user")
    first, second = words[0], words[1]
    if len(words) > 3 and is_virtual_host(first) and is_visitor(second):
        return host_of(first), second
    return "", first

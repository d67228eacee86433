r"""Access logs of Apache and nginx: the formats common, combined and vhost_combined.

`host - user [time] "request" status bytes "referrer" "agent"`, as Apache's `LogFormat` and nginx'
`log_format combined` define it. Before it, vhost_combined has the virtual host and its port. What
follows is not looked at, but for a third text in quotes that is a list of addresses: nginx' own
example of a format has `X-Forwarded-For` there.
"""

import ipaddress
import re
from functools import lru_cache
from typing import Final

from ingest.past.log_time import common_time
from ingest.past.pageview import LoggedRequest, pageview
from ingest.past.past_event import (
    BrokenLineError,
    PastEvent,
    ReaderOptions,
    SkipReason,
    text_of,
)

_QUOTED: Final = r'"((?:[^"\\]|\\.)*)"'
_LINE: Final = re.compile(
    rf"([^\[]+) \[([^\]]*)\] {_QUOTED} ([0-9]{{3}}|-) (?:[0-9]+|-)"
    rf"(?: {_QUOTED} {_QUOTED}(?: {_QUOTED})?(?:\s.*)?|(?:\s+[^\"\s].*)?)",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "v": "\v", "f": "\f"}
_ADDRESSES: Final = re.compile(r"[0-9A-Fa-f.:, \[\]]+")
_PORT: Final = re.compile(r":[0-9]+\Z")


class AccessLogReader:
    """Reads the three formats, line by line: a file may mix them."""

    def __init__(self, options: ReaderOptions) -> None:
        """Read for an import."""
        self._options = options

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        match = _LINE.fullmatch(text_of(line))
        if match is None:
            raise BrokenLineError('not like: address - - [time] "request" status bytes …')
        front, time, request, status, referrer, agent, third = match.groups()
        host, peer = _host_and_peer(front)
        timestamp = common_time(time)
        method, _, rest = _unescape(request).partition(" ")
        target = rest.rpartition(" ")[0] if rest.rpartition(" ")[2].startswith("HTTP/") else rest
        return pageview(
            LoggedRequest(
                timestamp=timestamp,
                peer=peer,
                method=method,
                target=target,
                status=0 if status == "-" else int(status),
                host=host,
                referrer=_field(referrer),
                user_agent=_field(agent),
                forwarded=third if third and _ADDRESSES.fullmatch(third) else None,
            ),
            self._options,
        )

    def is_whole(self, line: bytes) -> bool:
        """Every line is."""
        return True


def _host_and_peer(front: str) -> tuple[str, str]:
    """What stands before the time: a host perhaps, the peer, an identity, a user."""
    words = front.split(" ")
    if len(words) > 3 and not _is_address(words[0]) and _is_address(words[1]):
        host = _PORT.sub("", words[0])
        return ("" if host == "-" else host), words[1]
    if len(words) < 3 or not words[0]:
        raise BrokenLineError("does not begin with address, identity and user")
    return "", words[0]


@lru_cache(maxsize=4096)
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _field(text: str | None) -> str | None:
    return None if text is None or text in ("", "-") else _unescape(text)


def _unescape(text: str) -> str:
    r"""Undo `\"`, `\\`, `\n` and `\xHH`, by which servers keep a log's lines whole."""
    if "\\" not in text:
        return text
    unescaped = _ESCAPE.sub(_character, text)
    # Bytes of `\xHH` that are UTF-8 together become characters.
    return unescaped.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _character(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) == 3:
        return bytes((int(escape[1:], 16),)).decode("utf-8", "surrogateescape")
    return _CONTROLS.get(escape, escape)

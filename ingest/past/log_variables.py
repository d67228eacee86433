"""The variables of nginx' `log_format` and the directives of Apache's `LogFormat`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ingest.past.log_fields import LogField
from ingest.past.log_time import strptime_format

_NGINX: Final[dict[str, tuple[LogField, int]]] = {
    "remote_addr": ("address", 2),
    "realip_remote_addr": ("address", 1),
    "http_x_forwarded_for": ("forwarded", 2),
    "proxy_add_x_forwarded_for": ("forwarded", 1),
    "http_x_real_ip": ("forwarded", 1),
    "http_cf_connecting_ip": ("forwarded", 3),
    "host": ("host", 3),
    "http_host": ("host", 2),
    "server_name": ("host", 1),
    "time_local": ("time", 1),
    "time_iso8601": ("time", 1),
    "msec": ("time", 1),
    "request": ("request", 1),
    "request_method": ("method", 1),
    "request_uri": ("path", 2),
    "uri": ("path", 1),
    "document_uri": ("path", 1),
    "args": ("query", 1),
    "query_string": ("query", 1),
    "is_args": ("query", 0),
    "status": ("status", 1),
    "http_referer": ("referrer", 1),
    "http_user_agent": ("user_agent", 1),
    "sent_http_content_type": ("content_type", 2),
    "upstream_http_content_type": ("content_type", 1),
    "http_sec_purpose": ("purpose", 2),
    "http_purpose": ("purpose", 1),
}
_APACHE: Final[dict[str, tuple[LogField, int]]] = {
    "a": ("address", 2),
    "h": ("address", 1),
    "r": ("request", 1),
    "m": ("method", 1),
    "U": ("path", 1),
    "q": ("query", 1),
    "s": ("status", 1),
    ">s": ("status", 2),
    "v": ("host", 1),
    "V": ("host", 2),
    "{host}i": ("host", 3),
    "{referer}i": ("referrer", 1),
    "{user-agent}i": ("user_agent", 1),
    "{x-forwarded-for}i": ("forwarded", 2),
    "{x-real-ip}i": ("forwarded", 1),
    "{cf-connecting-ip}i": ("forwarded", 3),
    "{content-type}o": ("content_type", 1),
    "{sec-purpose}i": ("purpose", 2),
    "{purpose}i": ("purpose", 1),
}
"""The field and the rank of each. Of several for the same field, the one with the highest rank that
has a value is used. Others are ignored."""

_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_DIRECTIVE: Final = re.compile(r"%(?:(%)|([!<>0-9,]*)(?:\{([^{}]*)\})?(\^[a-zA-Z]{2}|[a-zA-Z]))")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS: Final = {"t": "\t", "n": "\n"}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable or a directive in a pattern.

    Attributes:
        name: Its name in the pattern, for messages.
        field: The field that it is; None if it is ignored.
        rank: Of several variables for a field, the one with the highest rank that has a value is
            used.
        time_format: The `datetime.strptime` format of a time that `any_time` cannot parse.
    """

    name: str
    field: LogField | None = None
    rank: int = 0
    time_format: str | None = None


def is_pattern(text: str) -> bool:
    """Whether a text is a pattern and not the name of a format."""
    return "$" in text or "%" in text


def pieces_of(pattern: str) -> list[str | Variable]:
    r"""Split a pattern into variables and the texts between them.

    Quotes may be escaped, as in a configuration file.

    Raises:
        ValueError: The pattern has an unknown directive.
    """
    text = _ESCAPE.sub(lambda match: _CONTROLS.get(match[1], match[1]), pattern.strip())
    pieces: list[str | Variable] = []
    for piece in _of_nginx(text) if _VARIABLE.search(text) else _of_apache(text):
        if isinstance(piece, str) and pieces and isinstance(last := pieces[-1], str):
            pieces[-1] = last + piece
        elif piece:
            pieces.append(piece)
    return pieces


def _of_nginx(text: str) -> Iterator[str | Variable]:
    position = 0
    for match in _VARIABLE.finditer(text):
        yield text[position : match.start()]
        yield Variable(match[0], *_NGINX.get(match[1] or match[2], (None, 0)))
        position = match.end()
    yield text[position:]


def _of_apache(text: str) -> Iterator[str | Variable]:
    position = 0
    for match in _DIRECTIVE.finditer(text):
        yield text[position : match.start()]
        percent, modifiers, argument, letter = match.groups()
        if percent:
            yield "%"
        elif letter == "t":
            yield from _time(match[0], argument)
        else:
            final = ">" if ">" in modifiers and letter == "s" else ""
            key = final + letter if argument is None else f"{{{argument.lower()}}}{letter}"
            if key in ("{c}a", "{c}h"):
                key = letter  # the connection's peer
            yield Variable(match[0], *_APACHE.get(key, (None, 0)))
        position = match.end()
    yield text[position:]


def _time(name: str, argument: str | None) -> Iterator[str | Variable]:
    if not argument:
        yield "["
        yield Variable(name, "time", 1)
        yield "]"
        return
    form = argument.removeprefix("begin:").removeprefix("end:")
    if form in ("sec", "msec", "usec"):
        yield Variable(name, "time", 1)
    elif form in ("msec_frac", "usec_frac"):
        yield Variable(name)
    else:
        yield Variable(name, "time", 1, strptime_format(form))

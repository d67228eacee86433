r"""Quoted texts in log lines, in which servers escape quotes and line ends."""

import re
from typing import Final

from ingest.past.log_address import NOTHING

QUOTED: Final = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
"""A quoted text, as part of a regular expression with `re.DOTALL`. Matches in linear time."""

_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "v": "\v", "f": "\f"}


def field(text: str | None) -> str | None:
    """Return the value of a field; None if the log has none."""
    return None if text is None or text in NOTHING else unescape(text)


def unescape(text: str) -> str:
    r"""Undo `\"`, `\\`, `\n` and `\xHH`."""
    if "\\" not in text:
        return text
    unescaped = _ESCAPE.sub(_character, text)
    # Consecutive bytes of `\xHH` that are valid UTF-8 become characters.
    return unescaped.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def method_and_target(request: str) -> tuple[str, str]:
    """Split a request line such as `GET /a HTTP/1.1`. The version may be missing."""
    method, _, rest = request.partition(" ")
    target, _, version = rest.rpartition(" ")
    return method, target if version.startswith("HTTP/") else rest


def _character(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) == 3:
        return bytes((int(escape[1:], 16),)).decode("utf-8", "surrogateescape")
    return _CONTROLS.get(escape, escape)

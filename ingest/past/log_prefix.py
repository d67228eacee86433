"""Prefixes and wrappers that log collectors add: syslog, journald, Docker and Kubernetes."""

import re
from typing import Final

import msgspec

from ingest.past.past_event import BrokenLineError, text_of

_TIME: Final = (
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d| [A-Z]{2,5}(?= ))?"
)
_TAG: Final = r"[\w./@-]{1,128}(?:\[\d{1,10}\])?: "
_PREFIX: Final = re.compile(
    # Name of the container: `docker compose logs` and `kubectl logs --prefix`.
    r"(?:[\w.-]{1,128} {1,64}\| ?|\[pod/[^\]\s]{1,512}\] )?"
    r"(?:"
    # RFC 5424: <190>1 time host program process message [data]
    rf"(?:<\d{{1,3}}>)?1 {_TIME}(?: \S{{1,255}}){{4}} "
    r"(?:-|(?:\[[^\]]{0,1024}\]){1,8}) \ufeff?"
    r"|"
    # RFC 3164 and journald: time, optional host, program: message
    r"(?:<\d{1,3}>)?"
    rf"(?:[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{{1,9}})?|(?:[A-Z][a-z]{{2}} )?{_TIME}"
    r"|\d{10}\.\d{6})"
    rf" (?:[\w.:-]{{1,255}} )?{_TAG}"
    r"|"
    # Docker with --timestamps, and Kubernetes's files
    rf"{_TIME} (?:std(?:out|err) [FP] )?"
    r")?"
)
_DOCKER: Final = '{"log":'
_JOURNAL: Final = '"__REALTIME_TIMESTAMP"'
_OTHER_MESSAGE: Final = re.compile(
    # Error logs of nginx and Apache; messages of containers and services at their start.
    r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]{2,8}\] "
    r"|\[[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d[.\d]{0,7} \d{4}\] \["
    r"|\[(?:[a-z0-9_]{0,64}:)?[a-z0-9]{2,8}\] \[(?:pid|client) "  # Apache's in syslog
    r"|/docker-entrypoint\.sh: |\S{1,64}\.sh: (?:info|error|warn)"
)
_SYSTEMD: Final = re.compile(r" systemd\[\d{1,10}\]: \Z")


def message_of(line: str) -> str:
    """Return the line as the web server wrote it.

    Args:
        line: The line without its line end.

    Raises:
        BrokenLineError: The line has a wrapper that cannot be read.
    """
    if line.startswith("{"):
        return _wrapped(line)
    match = _PREFIX.match(line)
    return line if match is None else line[match.end() :]


def is_other_message(line: str) -> bool:
    """Whether a line is a known message of a server and not a request.

    Args:
        line: The line with its prefix.
    """
    try:
        message = message_of(line)
    except BrokenLineError:
        return False
    if _OTHER_MESSAGE.match(message):
        return True
    return _SYSTEMD.search(line, 0, len(line) - len(message)) is not None


def _wrapped(line: str) -> str:
    """Return the message in a JSON object of Docker's file driver or `journalctl --output json`."""
    if line.startswith(_DOCKER):
        name = "log"
    elif _JOURNAL in line:
        name = "MESSAGE"
    else:
        return line
    try:
        message = msgspec.json.decode(line.encode("utf-8", "surrogateescape"))[name]
        # journald writes a message that is not UTF-8 as a list of bytes.
        if isinstance(message, list):
            message = text_of(bytes(message))
        return str.rstrip(message, "\r\n")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BrokenLineError("is an object around no line of a log") from None

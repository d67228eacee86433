"""The result of reading a line of a log or an export: an event, a skip reason, or an error."""

import enum
from dataclasses import dataclass
from typing import Final, Protocol

from ingest.model.event import Device, EventRequest, Place
from ingest.request.client_address import TrustedProxies
from ingest.request.invalid import InvalidRequest

LINE_BYTES: Final = 65_536
"""Maximum length of a line; a longer one is broken. nginx and Apache accept requests of 8 KiB, and
write at most four bytes for each byte."""


class SkipReason(enum.StrEnum):
    """The reason why a readable line is not an event."""

    EMPTY = "empty"
    """An empty line."""
    HEADER = "header"
    """A line that names the columns."""
    OTHER_MESSAGE = "other_message"
    """A message that is not about a request."""
    OTHER_ACTION = "other_action"
    """An action that is not an event, such as a goal's conversion or a click on a short link."""
    METHOD = "method"
    """A method other than GET, such as POST, HEAD or OPTIONS."""
    STATUS = "status"
    """A status other than 200 and 304, such as a redirect or an error."""
    ASSET = "asset"
    """A resource that is not a page, such as an image, a script or a feed."""
    PREFETCH = "prefetch"
    """A prefetch: the browser has loaded the page before the visitor opened it."""
    OTHER_SITE = "other_site"
    """An event of a site other than the requested one."""
    EARLIER = "earlier"
    """An event before the requested period."""
    LATER = "later"
    """An event after the requested period."""


class BrokenLineError(ValueError):
    """The line cannot be read. The message does not contain the line's content."""


class NoHostError(BrokenLineError):
    """The line does not have its site, and no site was given for the import."""


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """The options of readers.

    Attributes:
        received: Start of the import, Unix seconds.
        site: Domain of the site of all lines; None if each line names its site.
        proxies: Proxies whose forwarding headers are trusted.
        with_not_found: Whether requests with status 404 are events named `404`.
        pattern: Pattern of the lines, in nginx's or Apache's syntax; None for other formats.
        names: The log's names of fields, `path=uri,status=response`; empty for the usual names.
    """

    received: int
    site: str | None
    proxies: TrustedProxies
    with_not_found: bool = False
    pattern: str | None = None
    names: str = ""


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event read from a line.

    Attributes:
        request: The event as a valid request.
        place: The visitor's location, for sources without addresses; None to look it up.
        device: The visitor's device, for sources without user agents; None to detect it.
        is_bot: Whether the source has marked the event as a bot's.
    """

    request: EventRequest
    place: Place | None = None
    device: Device | None = None
    is_bot: bool = False


class Reader(Protocol):
    """Reads the lines of one format."""

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """Read a line.

        Args:
            line: The line without its line end.

        Raises:
            BrokenLineError: The line cannot be read.
        """

    def is_whole(self, line: bytes) -> bool:
        """Whether a record ends with this line; otherwise it continues on the next line."""


def read_record(reader: Reader, record: bytes) -> PastEvent | SkipReason:
    """Read a record.

    Args:
        reader: Reader of its format.
        record: One or more lines, with or without the last line's end.

    Raises:
        BrokenLineError: The record cannot be read, or has a time in the future.
    """
    if len(record) > LINE_BYTES:
        raise BrokenLineError(f"has more than {LINE_BYTES} bytes")
    if not record.strip():
        return SkipReason.EMPTY
    past = reader.read(record.rstrip(b"\r\n"))
    if isinstance(past, PastEvent) and past.request.timestamp > (past.request.received or 0):
        raise BrokenLineError("timestamp: must not be in the future")
    return past


def broken_by(invalid: InvalidRequest) -> BrokenLineError:
    """Convert the errors of an invalid event to the error of a broken line."""
    return BrokenLineError(
        "; ".join(f"{field}: {', '.join(errors)}" for field, errors in invalid.errors.items())
    )


def text_of(line: bytes) -> str:
    """Decode a line. Bytes that are not UTF-8 become surrogates (see `ingest.model.event`)."""
    return line.decode("utf-8", "surrogateescape")

"""What a line of a log or an export is: an event, something to skip, or broken."""

import enum
from dataclasses import dataclass
from typing import Final, Protocol

from ingest.model.event import Device, EventRequest, Place
from ingest.request.client_address import TrustedProxies
from ingest.request.invalid import InvalidRequest

LINE_BYTES: Final = 65_536
"""A longer line is broken. nginx and Apache take requests of 8 KiB, and write at most four bytes
for each of theirs."""


class SkipReason(enum.StrEnum):
    """Why a line that can be read is no event."""

    EMPTY = "empty"
    """It has nothing on it."""
    HEADER = "header"
    """It names the columns."""
    OTHER_MESSAGE = "other_message"
    """It tells of something else than a request."""
    METHOD = "method"
    """No GET: a form that was sent, a HEAD, an OPTIONS."""
    STATUS = "status"
    """Neither 200 nor 304: a redirect, an error."""
    ASSET = "asset"
    """A picture, a script, a feed: no page."""
    PREFETCH = "prefetch"
    """A browser that has fetched the page in case somebody asks for it."""
    OTHER_SITE = "other_site"
    """Of another site than the one asked for."""
    EARLIER = "earlier"
    """Before the time that is asked for."""
    LATER = "later"
    """After it."""


class BrokenLineError(ValueError):
    """The line cannot be read. The message tells nothing of the line's content."""


class NoHostError(BrokenLineError):
    """The line does not say which site it is of, and nobody else does."""


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """What readers have to know.

    Attributes:
        received: When the import began, Unix seconds.
        site: Domain of the site that all lines are of; None: lines say so themselves.
        proxies: Proxies whose forwarding headers are trusted.
        with_not_found: Whether a page that was not found is an event, `404`.
        pattern: Of the lines, in nginx' or Apache's own language; None for formats that have none.
        names: Which names the log has for fields, `path=uri,status=response`; empty for the usual.
    """

    received: int
    site: str | None
    proxies: TrustedProxies
    with_not_found: bool = False
    pattern: str | None = None
    names: str = ""


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event as a line tells it.

    Attributes:
        request: The valid request that it would have been.
        place: Where the visitor was, for sources that tell no address; None: to be looked up.
        device: What the visitor used, for sources that tell no user agent; None: to be found out.
        is_bot: Whether the source has found it to be a bot's.
    """

    request: EventRequest
    place: Place | None = None
    device: Device | None = None
    is_bot: bool = False


class Reader(Protocol):
    """Reads the lines of one format."""

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """Tell what a line is.

        Args:
            line: Without its end.

        Raises:
            BrokenLineError: It cannot be read.
        """

    def is_whole(self, line: bytes) -> bool:
        """Whether a record ends with this line; otherwise the next one belongs to it, too."""


def read_record(reader: Reader, record: bytes) -> PastEvent | SkipReason:
    """What a record is.

    Args:
        reader: Of its format.
        record: A line, or the lines of a record, with or without the last one's end.

    Raises:
        BrokenLineError: It cannot be read, or tells of the future.
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
    """An event's mistakes as a broken line."""
    return BrokenLineError(
        "; ".join(f"{field}: {', '.join(errors)}" for field, errors in invalid.errors.items())
    )


def text_of(line: bytes) -> str:
    """A line as text; bytes that are no UTF-8 become surrogates (see `ingest.model.event`)."""
    return line.decode("utf-8", "surrogateescape")

"""Lines of an import's files to show to the operator: broken ones, and a few parsed events.

Only the command's own process reads them, and only its terminal shows them: neither a server nor a
state file has their content.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from actors.imports.source import InputFiles, SourceError
from ingest.model.event import EventRequest
from ingest.past.formats import Format, make_reader
from ingest.past.import_progress import ImportProgress
from ingest.past.import_request import ImportRequest
from ingest.past.lines import Lines
from ingest.past.past_event import (
    BrokenLineError,
    PastEvent,
    Reader,
    ReaderOptions,
    read_record,
)
from ingest.request.client_address import TrustedProxies

EVENTS: Final = 3
"""Number of parsed lines that a dry run shows."""

_LONGEST: Final = 160
"""Characters of a text that are shown."""


@dataclass(frozen=True, slots=True)
class ImportLines:
    """What there is to show of the files.

    Attributes:
        broken: Broken lines by their numbers, fit for a terminal.
        events: Numbers of the first lines that are events, and what they say.
    """

    broken: dict[int, str] = field(default_factory=dict)
    events: list[tuple[int, EventRequest]] = field(default_factory=list)


def read_lines(
    request: ImportRequest, progress: ImportProgress, proxies: TrustedProxies
) -> ImportLines:
    """Read the lines that are to be shown.

    Args:
        request: What was wanted; of a dry run some events are shown.
        progress: How it ended.
        proxies: Proxies whose forwarding headers are trusted.

    Returns:
        The lines that could be read; none if the files no longer exist.
    """
    found = ImportLines()
    wanted = set(progress.counts.examples.values())
    events = EVENTS if request.dry_run else 0
    options = ReaderOptions(
        received=int(datetime.now(UTC).timestamp()),
        site=request.selection.site,
        proxies=proxies,
        with_not_found=request.selection.with_not_found,
        pattern=request.selection.pattern,
        names=request.selection.names,
    )
    try:
        source = InputFiles(request.paths)
        reader = make_reader(Format(progress.form), options, source.sample())
        for number, record in _records(source, reader):
            if not wanted and len(found.events) >= events:
                break
            if number in wanted:
                wanted.discard(number)
                found.broken[number] = shown(record.decode("utf-8", "replace"))
            elif len(found.events) < events:
                _add_event(found, number, record, reader)
        source.close()
    except (SourceError, BrokenLineError):
        pass  # The summary works without them.
    return found


def shown(text: str) -> str:
    """A text made safe for a terminal: short, without control characters."""
    text = text.strip()
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def as_understood(number: int, event: EventRequest) -> list[str]:
    """An event as lines of a name and a value each."""
    moment = datetime.fromtimestamp(event.timestamp, UTC)
    query = "&".join(f"{name}={value}" for name, value in event.query.items())
    rows = {
        "time": f"{moment:%Y-%m-%d %H:%M:%S} UTC",
        "event": event.name,
        "page": event.hostname + event.pathname + (f"?{query}" if query else ""),
        "referrer": event.referrer or "none",
        "visitor": event.client_ip,
        "agent": event.user_agent or "none",
    }
    return [f"line {number} as understood:"] + [
        f"  {name:<8}  {shown(value)}" for name, value in rows.items()
    ]


def _records(source: InputFiles, reader: Reader) -> Iterator[tuple[int, bytes]]:
    """The records, with the number of each one's first line."""
    lines, number = Lines(reader), 1
    while piece := source.read():
        for record, count in lines.feed(piece):
            yield number, record
            number += count
    if lines.rest.strip():
        yield number, lines.rest


def _add_event(found: ImportLines, number: int, record: bytes, reader: Reader) -> None:
    try:
        past = read_record(reader, record)
    except BrokenLineError:
        return
    if isinstance(past, PastEvent):
        found.events.append((number, past.request))

"""The formats that can be imported, and the detection of a file's format."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.past.access_log import AccessLogReader
from ingest.past.alb_log import AlbLogReader
from ingest.past.event_lines import EventLinesReader
from ingest.past.goatcounter import GoatCounterReader
from ingest.past.json_log import JsonLogReader
from ingest.past.matomo import MatomoReader
from ingest.past.past_event import (
    BrokenLineError,
    NoHostError,
    PastEvent,
    Reader,
    ReaderOptions,
)
from ingest.past.pattern_log import PatternLogReader
from ingest.past.umami import UmamiReader
from ingest.past.w3c_log import W3cLogReader

SAMPLE_LINES: Final = 50
"""Number of lines used to detect a format."""

FAILS: Final = "Sluice fails on it"
"""Why a line that makes the program fail cannot be read."""


class Format(enum.StrEnum):
    """The format of a file."""

    ACCESS_LOG = "access-log"
    """The formats common, combined and vhost_combined of Apache and nginx."""
    JSON_LOG = "json-log"
    """JSON access logs of Caddy, Traefik and nginx."""
    W3C = "w3c"
    """The W3C extended log format, used by IIS and CloudFront."""
    ALB = "alb"
    """Access logs of AWS's Application Load Balancer and Classic Load Balancer."""
    GOATCOUNTER = "goatcounter"
    """GoatCounter's CSV export."""
    UMAMI = "umami"
    """Umami's tables of events and sessions, as CSV."""
    MATOMO = "matomo"
    """Matomo's log of visits as JSON; a line for each action."""
    EVENTS = "events"
    """JSON lines with the same fields as the items of the batch endpoint."""
    PATTERN = "pattern"
    """Lines that match a pattern in the options; never detected."""


class UnknownFormatError(ValueError):
    """The file has none of the formats, or lacks required columns."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """How well a format matches a sample.

    Attributes:
        read: Number of lines in the sample that the format's reader can read.
        events: Number of these lines that are events.
        without_host: Number of lines that could be read if the site were given.
        problem: The error of the first unreadable line.
    """

    read: int
    events: int
    without_host: int
    problem: str


FOUND_OUT: Final = tuple(form for form in Format if form is not Format.PATTERN)
"""The formats that can be detected."""


def make_reader(form: Format, options: ReaderOptions, first_lines: Sequence[bytes]) -> Reader:
    """Create the reader of a format.

    Args:
        form: The format.
        options: The options of readers.
        first_lines: The file's first lines, which may name its columns; at least one.

    Raises:
        BrokenLineError: The lines do not have this format.
    """
    match form:
        case Format.ACCESS_LOG:
            return AccessLogReader(options)
        case Format.JSON_LOG:
            return JsonLogReader(options)
        case Format.W3C:
            return W3cLogReader(options, first_lines)
        case Format.ALB:
            return AlbLogReader(options)
        case Format.GOATCOUNTER:
            return GoatCounterReader(options, first_lines[0])
        case Format.UMAMI:
            return UmamiReader(options, first_lines[0])
        case Format.MATOMO:
            return MatomoReader(options)
        case Format.EVENTS:
            return EventLinesReader(options)
        case Format.PATTERN:
            return PatternLogReader(options)


def find_format(
    lines: Sequence[bytes], options: ReaderOptions, wanted: Format | None = None
) -> Format:
    """Find the format in which most of the first lines can be read.

    Args:
        lines: Up to `SAMPLE_LINES` of a file's first lines, without line ends.
        options: The options of readers.
        wanted: The only format to try; None to try all.

    Raises:
        UnknownFormatError: No line can be read, or lines can only be read if the site is given.
    """
    sample = [line for line in lines if line.strip()]
    if not sample:
        raise UnknownFormatError("it has no lines")
    forms = FOUND_OUT if wanted is None else (wanted,)
    trials = {form: _try(form, sample, options) for form in forms}
    best = max(trials, key=lambda form: trials[form].read + trials[form].without_host)
    trial = trials[best]
    if not trial.read and not trial.without_host:
        if wanted is None:
            guess = _guess(sample[0])
            raise UnknownFormatError(
                f"its first lines are in none of the formats {', '.join(FOUND_OUT)}; "
                f"read as {guess}: {trials[guess].problem}"
            )
        raise UnknownFormatError(f"it is not in the format {wanted.value}: {trial.problem}")
    if trial.without_host > trial.events:
        raise UnknownFormatError("it does not say which site it is of: name the site")
    return best


def _try(form: Format, sample: Sequence[bytes], options: ReaderOptions) -> _Trial:
    read = events = without_host = 0
    problem = ""
    try:
        reader = make_reader(form, options, sample)
    except BrokenLineError as error:
        return _Trial(0, 0, 0, str(error))
    for line in sample:
        try:
            outcome = reader.read(line)
        except NoHostError:
            without_host += 1
        except BrokenLineError as error:
            problem = problem or str(error)
        except Exception as error:
            problem = problem or f"{FAILS}: {type(error).__name__}"
        else:
            read += 1
            events += isinstance(outcome, PastEvent)
    return _Trial(read, events, without_host, problem)


def _guess(line: bytes) -> Format:
    """Guess the format of an unreadable line."""
    if line.startswith(b"#"):
        return Format.W3C
    return Format.JSON_LOG if b"{" in line[:200] else Format.ACCESS_LOG

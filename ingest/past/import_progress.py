"""The progress of an import, as shown to the operator and sent to the command line."""

import enum
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import msgspec

from ingest.past.import_counts import ImportCounts


class Phase(enum.StrEnum):
    """The phase of an import."""

    CHECKING = "checking"
    """Comparing the file with earlier imports, and reading its lines once."""
    READING = "reading"
    """Processing lines."""
    WAITING = "waiting"
    """Waiting for the store to take rows, or for Kafka to take events."""
    FINISHED = "finished"
    """All lines are processed. All rows are stored or, in a cluster, Kafka has all events."""
    KNOWN = "known"
    """Earlier imports have processed all lines."""
    REFUSED = "refused"
    """More than a tenth of the lines are broken. Nothing is stored."""
    STOPPED = "stopped"
    """The processed lines are stored. Another run can process the rest."""


OVER = frozenset({Phase.FINISHED, Phase.KNOWN, Phase.REFUSED, Phase.STOPPED})


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """The state of an import at one moment.

    Attributes:
        id: Id of the import; empty while unknown, and for a dry run.
        phase: The current phase.
        form: The file's format.
        done: Bytes read from the files; of compressed files, compressed bytes.
        total: Size of the files in bytes.
        counts: Counts of all lines, including those of earlier runs.
        earlier_lines: Number of lines processed by earlier runs.
        seconds: Seconds since this run began.
        notes: Information for the operator, one sentence each.
        seconds_left: Until the end of this phase, at the speed so far; None if that is not known.
    """

    id: str
    phase: Phase
    form: str
    done: int
    total: int
    counts: ImportCounts
    earlier_lines: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())
    seconds_left: float | None = None

    @property
    def over(self) -> bool:
        """Whether the import has ended."""
        return self.phase in OVER

    @property
    def rate(self) -> float:
        """Lines per second in this run."""
        lines = self.counts.lines - self.earlier_lines
        return lines / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the object as JSON data, with the rate."""
        return {**asdict(self), "lines_per_second": round(self.rate)}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Parse the data of `to_json`.

        Raises:
            ValueError: The data is invalid.
        """
        return msgspec.convert(document, cls)

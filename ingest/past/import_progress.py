"""The progress of an import, as shown to the operator and sent to the command line."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.past.import_counts import ImportCounts


class Phase(enum.StrEnum):
    """The phase of an import."""

    CHECKING = "checking"
    """Comparing the file with earlier imports, and reading its lines once."""
    READING = "reading"
    """Processing lines."""
    WAITING = "waiting"
    """Waiting for the store to take rows."""
    FINISHED = "finished"
    """All lines are processed, and all rows are stored."""
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
        """Return the object as JSON data."""
        return {
            "id": self.id,
            "phase": self.phase.value,
            "form": self.form,
            "done": self.done,
            "total": self.total,
            "counts": self.counts.to_json(),
            "earlier_lines": self.earlier_lines,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left, 1),
            "lines_per_second": round(self.rate),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ImportProgress":
        """Parse the data of `to_json`.

        Raises:
            ValueError: The data is invalid.
        """
        try:
            return cls(
                id=str(document["id"]),
                phase=Phase(document["phase"]),
                form=str(document["form"]),
                done=int(document["done"]),
                total=int(document["total"]),
                counts=ImportCounts.from_json(document["counts"]),
                earlier_lines=int(document["earlier_lines"]),
                seconds=float(document["seconds"]),
                notes=tuple(map(str, document["notes"])),
                seconds_left=document["seconds_left"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an import's progress: {type(error).__name__}") from None

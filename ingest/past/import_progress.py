"""The progress of an import, as shown to the operator and sent to the command line."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.past.import_counts import ImportCounts


class Phase(enum.StrEnum):
    """What an import is doing."""

    CHECKING = "checking"
    """Comparing the file with earlier imports, and reading its lines once."""
    READING = "reading"
    """Handling lines."""
    WAITING = "waiting"
    """Waiting for the store to take rows."""
    FINISHED = "finished"
    """All lines are handled, all rows are stored."""
    KNOWN = "known"
    """Earlier imports have handled all lines."""
    REFUSED = "refused"
    """More than a tenth of the lines is broken; nothing is stored."""
    STOPPED = "stopped"
    """The handled lines are stored; the rest is left for another run."""


OVER = frozenset({Phase.FINISHED, Phase.KNOWN, Phase.REFUSED, Phase.STOPPED})


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """The state of an import at one moment.

    Attributes:
        id: Id of the import; empty while unknown, and for a dry run.
        phase: What it is doing.
        form: The file's format.
        done: Bytes of the files that were read, compressed where they are.
        total: Bytes of the files.
        counts: Counts of all lines, including those of earlier runs.
        earlier_lines: Lines of earlier runs.
        seconds: Since this run began.
        notes: Information for the operator, one sentence each.
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
        """As plain data."""
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
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ImportProgress":
        """Read what `to_json` made.

        Raises:
            ValueError: It is something else.
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
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an import's progress: {type(error).__name__}") from None

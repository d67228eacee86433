"""What became of the lines of an import."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

EXAMPLES: Final = 5
"""Broken lines that are told with their numbers."""


@dataclass(slots=True)
class ImportCounts:
    """How many lines and events there were of each kind.

    Attributes:
        lines: Lines read.
        accepted: Events that are rows, or will be.
        visits: Visits that began.
        broken: Lines, or records of several, that could not be read.
        dropped: Events by the reason of the rule that dropped them.
        skipped: Lines by the reason why they are no events.
        examples: Numbers of the first broken lines, from 1, and what is wrong with them.
    """

    lines: int = 0
    accepted: int = 0
    visits: int = 0
    broken: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    examples: list[tuple[int, str]] = field(default_factory=list)

    def drop(self, reason: str) -> None:
        """Count a dropped event."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def skip(self, reason: str) -> None:
        """Count a skipped line."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def break_at(self, line: int, problem: str) -> None:
        """Count a broken line."""
        self.broken += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append((line, problem))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "lines": self.lines,
            "accepted": self.accepted,
            "visits": self.visits,
            "broken": self.broken,
            "dropped": dict(self.dropped),
            "skipped": dict(self.skipped),
            "examples": [list(example) for example in self.examples],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ImportCounts":
        """Read what `to_json` made.

        Raises:
            KeyError: A part is missing.
            TypeError: A part is something else.
            ValueError: The same.
        """
        return cls(
            lines=int(document["lines"]),
            accepted=int(document["accepted"]),
            visits=int(document["visits"]),
            broken=int(document["broken"]),
            dropped={str(key): int(value) for key, value in document["dropped"].items()},
            skipped={str(key): int(value) for key, value in document["skipped"].items()},
            examples=[(int(line), str(problem)) for line, problem in document["examples"]],
        )

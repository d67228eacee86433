"""Counts of the lines and events of an import."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from ingest.fold.import_sessions import ImportFigures
from ingest.model.verdict import DropReason

REASONS: Final = 20
"""Maximum number of reasons for broken lines that are counted separately."""

OTHER_REASONS: Final = "for other reasons"

LARGEST_SHARE: Final = 0.1
"""Maximum share of broken lines. A larger share means that the format is wrong or has changed."""


@dataclass(slots=True)
class LineCounts:
    """The number of lines of each kind.

    Attributes:
        lines: Lines read.
        skipped: Lines that are left out, by reason.
        broken: Records (one or more lines) that could not be read, by reason.
        examples: Number of the first broken line, from 1, by reason.
    """

    lines: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)

    @property
    def broken_lines(self) -> int:
        """Number of all records that could not be read."""
        return sum(self.broken.values())

    @property
    def too_broken(self) -> bool:
        """Whether more than a tenth of the lines are broken."""
        return self.broken_lines > self.lines * LARGEST_SHARE

    def skip(self, reason: str) -> None:
        """Count a line that is left out."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def break_at(self, line: int, problem: str) -> None:
        """Count a broken line."""
        if problem not in self.broken and len(self.broken) >= REASONS:
            problem = OTHER_REASONS
        self.broken[problem] = self.broken.get(problem, 0) + 1
        self.examples.setdefault(problem, line)


@dataclass(slots=True)
class ImportCounts(LineCounts):
    """The number of lines and events of each kind.

    Attributes:
        accepted: Events that are stored or will be.
        visits: Sessions started; None if only other processes know.
        dropped: Dropped events, by the drop reason.
    """

    accepted: int = 0
    visits: int | None = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def with_figures(self, figures: ImportFigures) -> "ImportCounts":
        """These counts of what was appended, with what the fold says of it."""
        dropped, without_session = dict(self.dropped), figures.without_session
        if without_session:
            reason = DropReason.NO_SESSION_FOR_ENGAGEMENT
            dropped[reason] = dropped.get(reason, 0) + without_session
        return replace(
            self,
            accepted=self.accepted - without_session,
            visits=(self.visits or 0) + figures.visits,
            dropped=dropped,
        )

    def drop(self, reason: str) -> None:
        """Count a dropped event."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def to_json(self) -> dict[str, Any]:
        """Return the object as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ImportCounts":
        """Parse the data of `to_json`, including data from before reasons were counted.

        Raises:
            KeyError: A key is missing.
            TypeError: A value has the wrong type.
            ValueError: A value is invalid.
        """
        broken, examples = document["broken"], document["examples"]
        if isinstance(broken, int):
            first = {str(problem): int(line) for line, problem in reversed(examples)}
            known = Counter(str(problem) for _, problem in examples)
            broken = known + Counter({OTHER_REASONS: broken - known.total()})
            examples = first
        return cls(
            lines=int(document["lines"]),
            accepted=int(document["accepted"]),
            visits=int(document["visits"]),
            broken=_numbers(broken),
            dropped=_numbers(document["dropped"]),
            skipped=_numbers(document["skipped"]),
            examples=_numbers(examples),
        )


def _numbers(document: Mapping[str, Any]) -> dict[str, int]:
    return {str(key): int(value) for key, value in document.items()}

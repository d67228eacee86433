"""Patterns of log lines, and what the parts of a line are by them."""

from dataclasses import dataclass
from typing import Final

from ingest.past.log_fields import LogField
from ingest.past.log_variables import Variable, pieces_of
from ingest.past.past_event import BrokenLineError

_NEEDED: Final[tuple[tuple[LogField, ...], ...]] = (
    ("time",),
    ("address", "forwarded"),
    ("status",),
    ("path", "request"),
)
"""One of each is needed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A variable in a line, and where it ends.

    Attributes:
        variable: Which one.
        end: The text behind it; empty at the line's end, and before a path.
        in_quotes: Whether it stands between quotes, so that its own are escaped.
        before_path: Whether it ends where a path begins.
    """

    variable: Variable
    end: str
    in_quotes: bool = False
    before_path: bool = False

    def find_end(self, line: str, position: int) -> int:
        """Where the value that begins at a position ends.

        Raises:
            BrokenLineError: It does not.
        """
        if not self.end and not self.before_path:
            return len(line)
        wanted = self.end or "/"
        end = line.find(wanted, position)
        while end >= 0 and self.in_quotes and _is_escaped(line, position, end):
            end = line.find(wanted, end + 1)
        if end < 0:
            raise BrokenLineError(f"has no {wanted!r} behind {self.variable.name}")
        return end


@dataclass(frozen=True, slots=True)
class LinePattern:
    """How lines are made up.

    Attributes:
        start: What they begin with.
        parts: The variables, in order.
    """

    start: str
    parts: tuple[Part, ...]

    def cut(self, line: str) -> list[str]:
        """The values of the parts, as they are written; takes linear time.

        Raises:
            BrokenLineError: The line is not made up so.
        """
        if not line.startswith(self.start):
            raise BrokenLineError("does not begin as the pattern does")
        position = len(self.start)
        values: list[str] = []
        for part in self.parts:
            end = part.find_end(line, position)
            values.append(line[position:end])
            position = end + len(part.end)
        if position < len(line):
            raise BrokenLineError("goes on behind the pattern's end")
        return values


def parse_pattern(text: str) -> LinePattern:
    """Read a pattern in nginx' or Apache's own language.

    Raises:
        ValueError: It lacks what a page view needs, or lines by it cannot be cut.
    """
    pieces = pieces_of(text)
    start = pieces[0] if pieces and isinstance(pieces[0], str) else ""
    before, pieces = start, pieces[1:] if start else pieces
    parts: list[Part] = []
    while pieces:
        variable, following = pieces.pop(0), pieces[0] if pieces else ""
        assert isinstance(variable, Variable), "texts are taken with what is before"  # noqa: S101
        if variable.field == "path":
            # Query and path are one part.
            while isinstance(following, Variable) and following.field == "query":
                pieces.pop(0)
                following = pieces[0] if pieces else ""
        if isinstance(following, str):
            in_quotes = before.endswith('"') and following.startswith('"')
            parts.append(Part(variable, following, in_quotes))
            before = following
            del pieces[:1]
        elif following.field == "path":
            parts.append(Part(variable, "", before_path=True))
            before = ""
        else:
            raise ValueError(f"nothing is between {variable.name} and {following.name}")
    fields = {part.variable.field for part in parts}
    for needed in _NEEDED:
        if not fields.intersection(needed):
            raise ValueError(f"the pattern has no {' or '.join(needed)}")
    return LinePattern(start, tuple(parts))


def _is_escaped(line: str, start: int, end: int) -> bool:
    """Whether an odd number of backslashes is before the end."""
    first = end
    while first > start and line[first - 1] == "\\":
        first -= 1
    return (end - first) % 2 == 1

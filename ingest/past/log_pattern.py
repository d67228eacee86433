"""Patterns of log lines, and the splitting of a line by its pattern."""

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
"""The required fields: one of each group."""


@dataclass(frozen=True, slots=True)
class Part:
    """A variable in a line, and the end of its value.

    Attributes:
        variable: The variable.
        end: The text after the value; empty at the line's end, and before a path.
        in_quotes: Whether the value is quoted, so that quotes in it are escaped.
        before_path: Whether a path follows the value directly.
    """

    variable: Variable
    end: str
    in_quotes: bool = False
    before_path: bool = False

    def find_end(self, line: str, position: int) -> int:
        """Find the end of the value that begins at a position.

        Raises:
            BrokenLineError: The line does not have the text that ends the value.
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
    """The structure of a log's lines.

    Attributes:
        start: The text at the beginning of each line.
        parts: The variables, in order.
    """

    start: str
    parts: tuple[Part, ...]

    def cut(self, line: str) -> list[str]:
        """Return the values of the parts, still escaped. Takes linear time.

        Raises:
            BrokenLineError: The line does not match the pattern.
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
    """Parse a pattern in nginx's or Apache's syntax.

    Raises:
        ValueError: The pattern lacks a field that pageviews need, or has no text between two
            variables, so that lines cannot be split.
    """
    pieces = pieces_of(text)
    start = pieces[0] if pieces and isinstance(pieces[0], str) else ""
    before, pieces = start, pieces[1:] if start else pieces
    parts: list[Part] = []
    while pieces:
        variable, following = pieces.pop(0), pieces[0] if pieces else ""
        assert isinstance(variable, Variable), "texts are taken with what is before"  # noqa: S101
        if variable.field == "path":
            # Path and query are read as one part.
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

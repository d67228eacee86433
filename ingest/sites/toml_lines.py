"""Finds the positions of keys in a TOML document, which the standard library does not return."""

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

KeyPath = tuple[str | int, ...]
"""Keys and array positions from the document's root to a value."""


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A position in the document, as character offsets.

    Attributes:
        start: Start of the key, the array's element, or the header's first bracket.
        value: Start of the value; for a header, its end.
        end: Offset after the value, or after the header's last bracket.
        header: Whether this is the header of a table.
    """

    start: int
    value: int
    end: int
    header: bool = False


_BLANK: Final = re.compile(r"(?:\s|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")


def key_lines(document: str) -> dict[KeyPath, int]:
    """Find the line, counted from 1, of every key, table and array element.

    Args:
        document: TOML that `tomllib` can parse. For other text the result is undefined, but the
            function returns or raises `ValueError` or `RecursionError`.
    """
    return _Scanner(document.replace("\r\n", "\n")).scan()


def key_spans(document: str) -> dict[KeyPath, TextSpan]:
    """Find the span of every key, header and array element, in the document's order.

    Implicit tables, such as `a` in `a.b = 1` or `[a.b]`, have no span.

    Args:
        document: As for `key_lines`.
    """
    scanner = _Scanner(document)
    scanner.scan()
    return dict(sorted(scanner.spans.items(), key=lambda item: item[1].start))


class _Scanner:
    """Follows the document's structure. Of values, it only finds the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._tables: dict[KeyPath, int] = {}
        """Number of tables so far, for each array of tables."""
        self.spans: dict[KeyPath, TextSpan] = {}
        self._newlines = [index for index, char in enumerate(text) if char == "\n"]

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_blank() < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> KeyPath:
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        start, line = self._at, self._line()
        self._at += brackets
        *parents, last = self._key()
        path: KeyPath = ()
        for parent in parents:
            path = self._current((*path, parent))
            self._lines.setdefault(path, line)
        path = (*path, last)
        self._lines.setdefault(path, line)
        if brackets == 2:
            self._tables[path] = self._tables.get(path, 0) + 1
            path = self._current(path)
        self._lines[path] = line
        self._at += brackets
        self.spans[path] = TextSpan(start, self._at, self._at, header=True)
        return path

    def _current(self, path: KeyPath) -> KeyPath:
        """Return the path with the position of the latest table in each array of tables."""
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _pair(self, table: KeyPath) -> None:
        start, line, path = self._at, self._line(), table
        for part in self._key():
            path = (*path, part)
            self._lines.setdefault(path, line)
        self._expect("=")
        value = self._skip_blank()
        self._value(path)
        self.spans[path] = TextSpan(start, value, self._at)

    def _key(self) -> list[str]:
        """Read a dotted key and the white space after it."""
        parts = []
        while True:
            self._skip_space()
            found = _STRING.match(self._text, self._at) or _BARE_KEY.match(self._text, self._at)
            if found is None:
                raise ValueError("a key was expected")
            part = found.group()
            parts.append(tomllib.loads(f"key = {part}")["key"] if part[0] in "\"'" else part)
            self._at = found.end()
            self._skip_space()
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        if self._text.startswith("[", self._at):
            self._array(path)
        elif self._text.startswith("{", self._at):
            self._inline_table(path)
        else:
            found = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            if found is None:
                raise ValueError("a value was expected")
            # White space before a comment or the line's end is not a part of the value.
            self._at = found.start() + len(found.group().rstrip())

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        position = 0
        while not self._ends("]"):
            start = self._at
            self._lines[(*path, position)] = self._line()
            self._value((*path, position))
            self.spans[(*path, position)] = TextSpan(start, start, self._at)
            position += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while not self._ends("}"):
            self._pair(path)

    def _ends(self, bracket: str) -> bool:
        """Skip the text between two elements; return whether the closing bracket was reached."""
        self._skip_blank()
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip_blank()
        if self._text.startswith(bracket, self._at):
            self._at += 1
            return True
        return False

    def _expect(self, char: str) -> None:
        if not self._text.startswith(char, self._at):
            raise ValueError(f"{char} was expected")
        self._at += 1

    def _skip_blank(self) -> int:
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _line(self) -> int:
        return bisect_right(self._newlines, self._at) + 1

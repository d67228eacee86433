"""Turns an array of JSON objects, as APIs return it, into lines of JSON."""

import codecs
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

OBJECT_CHARACTERS: Final = 1_048_576
"""Maximum length of an object. Reading one takes about ten milliseconds."""

LARGEST_GROWTH: Final = 16
"""How many times as long as an object its lines may be, which bounds the memory. Those of real
visits are at most some times as long, although each line repeats what the visit says."""

_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")
_BETWEEN: Final = re.compile(r"[\ufeff\s,\[\]]*")
_DECODER: Final = json.JSONDecoder()


def begins_array(content: bytes) -> bool:
    """Whether a file with this beginning is an array of objects."""
    return _START.match(content) is not None


class JsonArrayLines:
    """Converts the content of a file, piece by piece.

    Several arrays may follow each other. What is not an object of at most `OBJECT_CHARACTERS` is
    passed on unchanged, with everything that follows it; a reader of lines refuses it. An object
    whose lines would be more than `LARGEST_GROWTH` times as long becomes one line.
    """

    def __init__(self, lines_of: Callable[[dict[str, Any]], Iterable[Any]]) -> None:
        """Create the converter.

        Args:
            lines_of: Returns the values for which an object stands; each becomes a line.
        """
        self._lines_of = lines_of
        self._text = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._waiting = ""
        self._wanted = 0
        self._unchanged = False

    def feed(self, piece: bytes) -> bytes:
        """Return the lines that a piece completes; empty if it completes none."""
        if self._unchanged:
            return piece
        return self._convert(self._waiting + self._text.decode(piece))

    def end(self) -> bytes:
        """Return the last lines, at the end of the file, and an object whose end is missing."""
        if self._unchanged:
            return b""
        self._wanted = 0
        lines = self._convert(self._waiting + self._text.decode(b"", final=True))
        rest, self._waiting = self._waiting, ""
        return lines + rest.encode("utf-8", "surrogateescape")

    def _convert(self, text: str) -> bytes:
        lines: list[bytes] = []
        end = 0
        while True:
            between = _BETWEEN.match(text, end)
            assert between is not None  # noqa: S101 - it matches nothing, too
            end = between.end()
            missing = len(text) - end
            if not missing or missing < self._wanted:
                break
            start = end
            try:
                found, end = _DECODER.raw_decode(text, end) if text[end] == "{" else (None, end)
            except (ValueError, RecursionError):
                # The object's end is missing. Try again with twice as much, not with each piece.
                found, self._wanted = None, min(2 * missing, OBJECT_CHARACTERS + 1)
            if found is not None:
                self._wanted = 0
                lines += self._lines(found, LARGEST_GROWTH * (end - start))
            elif text[end] != "{" or missing > OBJECT_CHARACTERS:
                self._unchanged = True
                lines.append(text[end:].encode("utf-8", "surrogateescape"))
                lines.append(self._text.getstate()[0])
                end = len(text)
            else:
                break
        self._waiting = text[end:]
        return b"".join(lines)

    def _lines(self, found: dict[str, Any], limit: int) -> list[bytes]:
        lines: list[bytes] = []
        for line in map(_line, self._lines_of(found)):
            limit -= len(line)
            if limit < 0:
                return [_line(found)]
            lines.append(line)
        return lines


def _line(value: Any) -> bytes:
    # An escaped lone surrogate is no text: whoever reads the line replaces it.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"

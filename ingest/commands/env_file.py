"""Files of environment variables, in the syntax of systemd's `EnvironmentFile=`.

Lines are `NAME=value`. Lines without `=`, and lines that begin with `#` or `;`, are ignored. White
space around a value is dropped. The beginning of a value can be in quotes: in single ones
everything is literal; in double ones a backslash is special before `"`, a backslash, a backtick and
`$` only. Elsewhere a backslash makes the next character literal. A backslash at the end of a line
of a value joins the next one. Variables are not expanded.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ingest.settings import SettingsError

_LINE: Final = re.compile(r"[ \t\r\n]*(?:[#;][^\r\n]*|([^ \t\r\n#;][^=\r\n]*)(=?))?")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BLANK: Final = re.compile(r"[ \t]*")
_SINGLE_QUOTED: Final = re.compile(r"'([^']*)(?:'|\Z)")
_DOUBLE_QUOTED: Final = re.compile(r'"((?:[^"\\]+|\\.)*)(?:"|\\?\Z)', re.DOTALL)
_UNQUOTED: Final = re.compile(r"(?:[^\\\r\n]+|\\(?:.|\Z))*", re.DOTALL)
_PARTS: Final = re.compile(r"\\(?:.|\Z)|[ \t]+|[^\\ \t]+", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_QUOTED_ESCAPE: Final = re.compile(r'\\(["\\`$\n])')


def read_env_file(path: Path) -> dict[str, str]:
    """Read a file.

    Raises:
        SettingsError: It cannot be read, or is no text.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: expected UTF-8 text") from None
    if "\0" in text:
        raise SettingsError(f"{path}: expected UTF-8 text")
    return dict(assignments(text))


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """The names and values of a text, in its order, without names that no variable can have."""
    position = 0
    while position < len(text):
        line = _LINE.match(text, position)
        assert line is not None  # noqa: S101 - matches an empty text, too
        position = line.end()
        if line[2]:
            value, position = _value(text, position)
            if _NAME.fullmatch(line[1].rstrip()):
                yield line[1].rstrip(), value
        position += 1  # the end of the line


def _value(text: str, position: int) -> tuple[str, int]:
    """The value at a position, and the position behind it."""
    value = ""
    while True:
        position = _end(_BLANK.match(text, position))
        if found := _SINGLE_QUOTED.match(text, position):
            value += found[1]
        elif found := _DOUBLE_QUOTED.match(text, position):
            value += _QUOTED_ESCAPE.sub(_escaped, found[1])
        else:
            break
        position = found.end()
    end = _end(_UNQUOTED.match(text, position))
    parts = _PARTS.findall(text, position, end)
    if parts and not parts[-1].strip(" \t"):
        parts.pop()
    return value + _ESCAPE.sub(_escaped, "".join(parts)), end


def _escaped(found: re.Match[str]) -> str:
    return "" if found[1] in "\r\n" else found[1]


def _end(found: re.Match[str] | None) -> int:
    assert found is not None  # noqa: S101 - for patterns that match an empty text, too
    return found.end()

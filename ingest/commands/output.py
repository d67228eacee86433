"""What commands print: text for people, or one JSON object per line.

Facts go to standard output. That there are none goes to standard error, as text only.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar

import click

if TYPE_CHECKING:
    from ingest.check.report import Level

Command = TypeVar("Command", bound=Callable[..., Any])

Cell = str | int | float | Decimal

MAX_CELL: Final = 80
"""Characters of a cell that can be of any length."""

_COLOURS: Final = {"ok": "green", "warning": "yellow", "problem": "red"}


def json_option(command: Command) -> Command:
    """Add the option `--json`, which a command has as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")(
        command
    )


def print_json(value: object) -> None:
    """Print a line of JSON in ASCII."""
    click.echo(json.dumps(value))


def print_none(text: str) -> None:
    """Say that there is nothing to print."""
    click.echo(text, err=True)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        click.echo(line)


def print_painted(lines: Iterable[str]) -> None:
    """Print lines, without their colours if NO_COLOR is set or this is no terminal."""
    for line in lines:
        click.echo(line, color=False if os.environ.get("NO_COLOR") else None)


def on_terminal(stream: TextIO) -> bool:
    """Whether a person reads a stream."""
    return stream.isatty()


def paint(level: "Level", word: str) -> str:
    """Give a word the colour of a level."""
    return click.style(word, fg=_COLOURS[level])


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Lines of columns, as wide as they need to be; columns of numbers are aligned on the right.

    Without rows there are no lines.
    """
    rows = list(rows)
    if not rows:
        return
    columns = [list(column) for column in zip(head, *rows, strict=True)]
    texts = [[printable(str(cell)) for cell in column] for column in columns]
    widths = [max(map(len, column)) for column in texts]
    right = [all(map(_is_number, column[1:])) for column in columns]
    for line in zip(*texts, strict=True):
        cells = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        )
        yield "  ".join(cells).rstrip()


def shortened(text: str) -> str:
    """The beginning of a long text, for a table."""
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"


def printable(text: str) -> str:
    """Escape control characters, because anybody can send events."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _is_number(cell: Cell) -> bool:
    return not isinstance(cell, str)

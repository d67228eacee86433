"""What commands print: text for people, or JSON."""

import os
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from ingest.check.report import Level

_COLOURS: Final = {"ok": "green", "warning": "yellow", "problem": "red"}


def paint(level: "Level", word: str) -> str:
    """Give a word the colour of a level."""
    return click.style(word, fg=_COLOURS[level])


def print_painted(line: str) -> None:
    """Print a line, without its colours if NO_COLOR is set or this is no terminal."""
    click.echo(line, color=False if os.environ.get("NO_COLOR") else None)

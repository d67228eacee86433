"""Shows an import: a progress bar on a terminal, lines otherwise, and a summary at the end."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
)
from rich.progress import Progress as Bar

from ingest.client.import_lines import ImportLines, as_understood
from ingest.commands.output import print_json
from ingest.past.import_progress import ImportProgress, Phase

LINES_SECONDS = 5.0
"""Interval of progress lines without a terminal."""

_SHOWN_REASONS = 3

_PHASES = {
    Phase.CHECKING: "looking at the lines",
    Phase.READING: "importing",
    Phase.WAITING: "waiting for the store or Kafka",
    Phase.FINISHED: "finished",
    Phase.KNOWN: "already imported: nothing is stored",
    Phase.REFUSED: "refused, as more than a tenth of the lines is broken: nothing is stored",
    Phase.STOPPED: "stopped: the same command goes on",
}


class Display(Protocol):
    """Shows the progress of an import."""

    def show(self, progress: ImportProgress) -> None:
        """Show the current progress."""


@contextmanager
def display(*, terminal: bool, as_json: bool = False) -> Iterator[Display]:
    """The display for standard error, or for scripts."""
    if as_json:
        yield JSONDisplay()
        return
    if not terminal:
        yield PlainDisplay()
        return
    with BarDisplay(Console(stderr=True)) as bar:
        yield bar


class JSONDisplay:
    """Writes each progress as a line of JSON, to standard output."""

    def show(self, progress: ImportProgress) -> None:
        """Write a line."""
        print_json(progress.to_json())


class PlainDisplay:
    """Writes a line every few seconds, to standard error."""

    def __init__(self) -> None:
        """Create the display."""
        self._shown_at = time.monotonic()

    def show(self, progress: ImportProgress) -> None:
        """Write a line if it is time."""
        now = time.monotonic()
        if now - self._shown_at >= LINES_SECONDS and not progress.over:
            self._shown_at = now
            click.echo(f"{_percent(progress)} {_state(progress)}", err=True)


class BarDisplay:
    """Draws a bar that fills with the bytes read."""

    def __init__(self, console: Console) -> None:
        """Draw on a console."""
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[state]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "BarDisplay":
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self._bar.stop()

    def show(self, progress: ImportProgress) -> None:
        """Redraw the bar."""
        description, state = _PHASES[progress.phase], _state(progress)
        if self._task is None:
            self._task = self._bar.add_task(description, total=progress.total, state=state)
        self._bar.update(
            self._task,
            completed=progress.done,
            total=progress.total,
            description=description,
            state=state,
        )


def summary(progress: ImportProgress, seen: ImportLines) -> str:
    """The summary of an import, as lines with the figures in one column.

    Args:
        progress: How it ended.
        seen: Lines to show.
    """
    counts = progress.counts
    rows: list[tuple[str, str]] = [("lines", f"{counts.lines:,}")]
    if progress.earlier_lines:
        rows.append(("  of earlier runs", f"{progress.earlier_lines:,}"))
    if progress.phase is not Phase.REFUSED:  # else nobody has looked at the events
        rows.append(("events accepted", f"{counts.accepted:,}"))
        if counts.visits is not None:
            rows.append(("visits", f"{counts.visits:,}"))
        rows.append(("events dropped", f"{sum(counts.dropped.values()):,}"))
        rows += [(f"  {reason}", f"{number:,}") for reason, number in _by_number(counts.dropped)]
    rows.append(("lines skipped", f"{sum(counts.skipped.values()):,}"))
    rows += [(f"  {reason}", f"{number:,}") for reason, number in _by_number(counts.skipped)]
    rows.append(("lines broken", f"{counts.broken_lines:,}"))
    rows.append(("time", f"{progress.seconds:.1f} s"))
    rows.append(("lines/s", f"{progress.rate:,.0f}"))
    width = max(len(name) for name, _ in rows)
    figures = max(len(figure) for _, figure in rows)
    lines = [f"{_PHASES[progress.phase]} ({progress.form}{_named(progress)})"]
    lines += [f"  {name:<{width}}  {figure:>{figures}}" for name, figure in rows]
    for problem, count in _by_number(counts.broken):
        lines += _broken(problem, count, counts.examples.get(problem), seen)
    for number, event in seen.events:
        lines += as_understood(number, event)
    if progress.phase is Phase.REFUSED:
        lines.append("--format names another format; --force imports the lines that can be read")
    return "\n".join([*lines, *progress.notes])


def _broken(problem: str, count: int, number: int | None, seen: ImportLines) -> Iterator[str]:
    yield f"{count:,} broken: {problem}"
    if number is not None:
        text = seen.broken.get(number)
        yield f"  line {number}" + (f": {text}" if text else "")


def _named(progress: ImportProgress) -> str:
    if progress.phase is Phase.REFUSED:
        return ""
    return f", import {progress.id}" if progress.id else ", dry run"


def _state(progress: ImportProgress) -> str:
    counts = progress.counts
    parts = [
        f"{counts.lines:,} lines",
        f"{progress.rate:,.0f}/s",
        f"{counts.accepted:,} accepted",
        *_with_reasons("dropped", counts.dropped),
        *_with_reasons("skipped", counts.skipped),
    ]
    if counts.broken:
        parts.append(f"{counts.broken_lines:,} broken")
    if progress.seconds_left is not None:
        minutes, seconds = divmod(round(progress.seconds_left), 60)
        parts.append(f"{minutes}:{seconds:02} left")
    return ", ".join(parts)


def _with_reasons(what: str, reasons: Mapping[str, int]) -> Iterator[str]:
    if reasons:
        shown = [f"{reason} {number:,}" for reason, number in _by_number(reasons)[:_SHOWN_REASONS]]
        yield f"{sum(reasons.values()):,} {what} ({', '.join(shown)})"


def _percent(progress: ImportProgress) -> str:
    share = progress.done / progress.total if progress.total else 1.0
    return f"{_PHASES[progress.phase]}: {share:.0%}"


def _by_number(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))

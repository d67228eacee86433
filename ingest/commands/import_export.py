"""`sluice import` for the ZIP file of Plausible's export."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import click
import msgspec

from ingest.client.exports import import_plausible_export
from ingest.commands.import_display import LINES_SECONDS
from ingest.commands.output import print_json, printable
from ingest.past.export_progress import ExportCounts, ExportProgress, ExportRequest
from ingest.past.import_progress import Phase
from ingest.past.import_request import ImportRequest
from ingest.past.plausible_export import ExportPeriod
from ingest.settings import Settings

_DAY: Final = 86_400
_RESULTS: Final = {
    Phase.CHECKING: "looking at the lines",
    Phase.READING: "importing",
    Phase.FINISHED: "finished",
    Phase.KNOWN: "already imported: nothing is stored",
    Phase.REFUSED: "refused, as more than a tenth of the lines is broken: nothing is stored",
}


def import_export(settings: Settings, request: ImportRequest, *, fits: bool, as_json: bool) -> bool:
    """Import an export, and print what has become of it.

    Args:
        settings: Those of the server.
        request: The command's options.
        fits: Whether the command has only options that an export can have.
        as_json: Whether to print the progress and the result as lines of JSON.

    Returns:
        False if the file was refused.

    Raises:
        ImportFailedError: The import failed.
        ImportIncompleteError: The store or the server has failed; the same command goes on.
    """
    selection = request.selection
    if len(request.paths) > 1:
        raise click.UsageError("import a ZIP file by itself")
    if selection.site is None:
        raise click.UsageError("--site has to name the site of Plausible's export")
    if not fits:
        raise click.UsageError("a ZIP file takes --site, --since, --until, --dry-run and --force")
    progress = import_plausible_export(
        settings,
        ExportRequest(
            request.paths[0],
            selection.site,
            ExportPeriod(selection.since, selection.until),
            dry_run=request.dry_run,
            force=request.force,
        ),
        _print_as_json if as_json else _Shown().show,
    )
    if not as_json:
        click.echo(export_summary(progress))
    return progress.phase is not Phase.REFUSED


def _print_as_json(progress: ExportProgress) -> None:
    print_json(msgspec.to_builtins(progress))


class _Shown:
    """Writes a line every few seconds, to standard error."""

    def __init__(self) -> None:
        self._shown_at = time.monotonic()

    def show(self, progress: ExportProgress) -> None:
        now = time.monotonic()
        if now - self._shown_at >= LINES_SECONDS and not progress.over:
            self._shown_at = now
            counts = progress.counts
            click.echo(
                f"{_RESULTS[progress.phase]}: {counts.lines:,} lines, {progress.stored:,} of "
                f"{sum(counts.rows.values()):,} rows stored",
                err=True,
            )


def export_summary(progress: ExportProgress) -> str:
    """The summary of an import, as lines with the figures in one column."""
    counts = progress.counts
    rows = [("lines", f"{counts.lines:,}"), *_rows(counts)]
    if progress.import_id:
        rows.append(("rows stored", f"{progress.stored:,}"))
    rows.append(("lines skipped", f"{sum(counts.skipped.values()):,}"))
    rows += [(f"  {reason}", f"{number:,}") for reason, number in sorted(counts.skipped.items())]
    rows.append(("lines broken", f"{counts.broken_lines:,}"))
    rows.append(("time", f"{progress.seconds:.1f} s"))
    width = max(len(name) for name, _ in rows)
    figures = max(len(figure) for _, figure in rows)
    named = f", import {progress.import_id}" if progress.import_id else ", dry run"
    if progress.phase is Phase.REFUSED:
        named = ""
    lines = [f"{_RESULTS[progress.phase]} (plausible-export{named})"]
    lines += [f"  {name:<{width}}  {figure:>{figures}}" for name, figure in rows]
    for problem, number in sorted(counts.broken.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"{number:,} broken: {problem} (first in line {counts.examples[problem]})")
    # Names in a file of strangers could control the terminal.
    lines += [f"left out: {printable(name)}" for name in counts.left_out]
    if counts.left_out_more:
        lines.append(f"left out: {counts.left_out_more:,} more")
    if progress.phase is Phase.REFUSED:
        lines.append("--force imports the lines that can be read")
    return "\n".join(lines)


def _rows(counts: ExportCounts) -> Iterator[tuple[str, str]]:
    for table, number in sorted(counts.rows.items()):
        first, last = (datetime.fromtimestamp(day * _DAY, UTC).date() for day in counts.days[table])
        yield f"  {table}, {first} to {last}", f"{number:,}"

"""`sluice import`: import past events from logs and exports."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from ingest.commands.configuration import settings_of_command
from ingest.model.url import clean_host
from ingest.past.formats import FOUND_OUT, Format
from ingest.past.import_progress import Phase
from ingest.past.import_request import ImportRequest, ImportSelection
from ingest.past.log_fields import FIELDS, parse_names
from ingest.past.log_pattern import parse_pattern
from ingest.past.log_variables import is_pattern
from ingest.request.client_address import TrustedProxies

STANDARD_INPUT: Final = "-"

EXIT_FAILED: Final = 1
EXIT_INCOMPLETE: Final = 75
"""EX_TEMPFAIL of sysexits.h: the same command resumes the import."""

EXIT_INTERRUPTED: Final = 130
"""The exit code of shells after Ctrl-C."""


class Moment(click.ParamType[int]):
    """A date or a time in ISO 8601, in UTC unless it has an offset; converted to Unix seconds."""

    name = "date"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> int:
        """Read it, or say what was expected."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day such as 2026-01-31, nor a time in ISO 8601")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp())


class FormatName(click.ParamType[str]):
    """The name of a format, or the pattern of a log's lines."""

    name = "format"
    names = tuple(form.value for form in FOUND_OUT)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show all of them."""
        return f"[{'|'.join(self.names)}|PATTERN]"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        """Read it, or say what was expected."""
        text = str(value)
        if is_pattern(text):
            try:
                parse_pattern(text)
            except ValueError as error:
                self.fail(str(error))
        elif text not in self.names:
            self.fail(
                f"{text!r} is none of {', '.join(self.names)}, and no pattern: no $ or % in it"
            )
        return text


class FieldNames(click.ParamType[str]):
    """Which names a log has for fields."""

    name = "names"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        """Check it, or say what was expected."""
        try:
            parse_names(str(value))
        except ValueError as error:
            self.fail(str(error))
        return str(value)


_EXIT_CODES: Final = """\b
Exit codes:
  0    all is stored, or was before
  1    it cannot be done; the message says why
  2    a mistake in the command
  75   the server has gone; the same command goes on
  130  interrupted; the same command goes on"""


@click.command("import", epilog=_EXIT_CODES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--site",
    metavar="DOMAIN",
    help="The site that the file is of. Needed where lines do not name the host; where they do, "
    "hosts that are sites by themselves are left out.",
)
@click.option(
    "--format",
    "form",
    type=FormatName(),
    help="The file's format; found out from its first lines if not given. What has a $ or a % "
    "in it is a pattern, in the language of nginx' log_format or Apache's LogFormat.",
)
@click.option(
    "--map",
    "names",
    metavar="FIELD=NAME,…",
    type=FieldNames(),
    help="Which names a log in JSON has for fields, as in path=uri,status=response; a name with "
    f"dots is one in an object. Fields: {', '.join(FIELDS)}.",
)
@click.option("--since", type=Moment(), help="Leave out what was before this day or time.")
@click.option("--until", type=Moment(), help="Leave out this day or time, and what came after it.")
@click.option(
    "--not-found",
    "with_not_found",
    is_flag=True,
    help="Make a page that was not found an event, `404`; otherwise it is skipped.",
)
@click.option(
    "--growing",
    is_flag=True,
    help="The file is still written to: keep visits open, for at most 48 hours, so that the next "
    "run goes on with them.",
)
@click.option("--again", is_flag=True, help="Import what was imported before once more.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Tell what would become of the lines, and show three as they are understood; store "
    "nothing.",
)
@click.option(
    "--force", is_flag=True, help="Import a file although more than a tenth of its lines is broken."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Write the progress as lines of JSON, twice a second; the last one has the result.",
)
def import_past(
    files: tuple[str, ...],
    site: str | None,
    form: str | None,
    names: str | None,
    since: int | None,
    until: int | None,
    with_not_found: bool,
    growing: bool,
    again: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Import past events from access logs, exports of other analytics, or JSON lines of events.

    The ZIP file of Plausible's export goes to the tables of imported sums, a day's sums a row.

    Several FILEs are read in the given order as if they were one, so name the oldest first; `-` is
    standard input. Files may be compressed with gzip or zstd. Run the same command again to resume
    an interrupted import. Content that was imported before is recognised and not stored again.
    """
    from ingest.client.exports import is_zip
    from ingest.client.import_lines import read_lines
    from ingest.client.imports import ImportFailedError, ImportIncompleteError
    from ingest.client.imports import import_past as import_files
    from ingest.commands.import_display import display, summary
    from ingest.commands.import_export import import_export

    wanted, pattern = _format(form, names)
    settings = settings_of_command(as_owner=True)
    selection = ImportSelection(
        None if site is None else clean_host(site),
        since,
        until,
        with_not_found,
        pattern,
        names or "",
    )
    with _as_paths(files, settings.state_dir) as paths:
        request = ImportRequest(
            paths,
            wanted,
            selection,
            growing=growing,
            anew=again,
            dry_run=dry_run,
            force=force,
        )
        try:
            if any(map(is_zip, paths)):
                fits = not (form or names or with_not_found or growing or again)
                if not import_export(settings, request, fits=fits, as_json=as_json):
                    sys.exit(EXIT_FAILED)
                return
            with display(terminal=sys.stderr.isatty(), as_json=as_json) as shown:
                progress = import_files(settings, request, shown.show)
                if progress.phase is Phase.STOPPED:
                    shown.show(progress)
        except ImportFailedError as error:
            raise click.ClickException(str(error)) from None
        except ImportIncompleteError as error:
            click.echo(f"{error}; the same command goes on with the import", err=True)
            sys.exit(EXIT_INCOMPLETE)
        except KeyboardInterrupt:
            click.echo("interrupted; the same command goes on with the import", err=True)
            sys.exit(EXIT_INTERRUPTED)
        if not as_json:
            proxies = TrustedProxies.parse(settings.trusted_proxies)
            click.echo(summary(progress, read_lines(request, progress, proxies)))
    if progress.phase is Phase.REFUSED:
        sys.exit(EXIT_FAILED)
    if progress.phase is Phase.STOPPED:
        sys.exit(EXIT_INTERRUPTED)


def _format(form: str | None, names: str | None) -> tuple[Format | None, str | None]:
    """The format and its pattern. Names of fields are those of a log in JSON."""
    if names and form not in (None, Format.JSON_LOG):
        raise click.UsageError(f"--map is for --format {Format.JSON_LOG}")
    if names:
        return Format.JSON_LOG, None
    if form is None:
        return None, None
    return (Format.PATTERN, form) if is_pattern(form) else (Format(form), None)


@contextmanager
def _as_paths(files: tuple[str, ...], state_dir: Path) -> Iterator[tuple[str, ...]]:
    """Absolute paths of the files; standard input is saved to a temporary file.

    So it can be read twice, and by a server. A server that systemd runs has a /tmp of its own, so
    the file is in the state directory, if there is one.
    """
    if STANDARD_INPUT not in files:
        yield tuple(str(Path(file).absolute()) for file in files)
        return
    if files.count(STANDARD_INPUT) > 1:
        raise click.UsageError("standard input can be read only once")
    shared = os.access(state_dir, os.W_OK | os.X_OK, effective_ids=True)
    directory = state_dir.absolute() if shared else None
    with tempfile.NamedTemporaryFile(prefix="sluice-import-", dir=directory) as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        yield tuple(
            spool.name if file == STANDARD_INPUT else str(Path(file).absolute()) for file in files
        )

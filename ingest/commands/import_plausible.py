"""`sluice sites import-plausible`: import sites, rules and salts from Plausible's PostgreSQL."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import click

from actors.files.atomic import StateDirectoryBusyError, locked_directory, write_atomically
from ingest.commands.configuration import settings_of_command
from ingest.commands.output import json_option
from ingest.commands.sites_file import edit_sites_file, report_edit
from ingest.plausible.postgres import PlausibleError, read_plausible
from ingest.plausible.salts import salts_in_force
from ingest.plausible.site_import import SiteImport, merge_sites
from ingest.plausible.tables import PlausibleData
from ingest.server.state_files import StateFiles
from ingest.sessions import salts as salt_file
from ingest.sessions.salts import Salts
from ingest.settings import Settings
from ingest.sites.site_file import parse_sites
from ingest.sites.site_file_edit import put_sites

EXIT_CONFLICTS = 1


@click.command("import-plausible")
@click.argument("url", required=False)
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option(
    "--salts/--no-salts",
    "with_salts",
    default=True,
    help="Whether visitors keep their ids. New salts need the server to be stopped.",
)
@click.option(
    "--replace-salts",
    is_flag=True,
    help="Take the salts even where a server of ours has made some; open visits are split.",
)
@json_option
@click.pass_context
def import_plausible(
    context: click.Context,
    url: str | None,
    dry_run: bool,
    with_salts: bool,
    replace_salts: bool,
    as_json: bool,
) -> None:
    """Import sites, shields, revenue goals and salts from Plausible's PostgreSQL.

    URL is Plausible's own DATABASE_URL: postgres://user:password@host:5432/database. Other users
    can see it on the command line, so rather set the environment variable DATABASE_URL, or
    PGPASSWORD for the password. The database is only read.

    Sites keep their ids. A site that the sites file has under the same id is updated, others are
    added, and sites that only the file has are kept. Comments are kept. You can run it again at any
    time.

    The exit code is 1 if nothing was changed because of an error, or if sites were skipped because
    the file has their domains under other ids.
    """
    settings = settings_of_command()
    url = url or os.environ.get("DATABASE_URL")
    if not url:
        raise click.UsageError("the URL of Plausible's PostgreSQL is needed, or DATABASE_URL")
    try:
        data = read_plausible(url)
    except PlausibleError as error:
        raise click.ClickException(error.explanation) from None
    salts = _salts(settings, data, replace=replace_salts) if with_salts else _SaltPlan()
    results: list[SiteImport] = []

    def edit(text: str) -> str:
        results.append(merge_sites(data, parse_sites(text, str(settings.sites))))
        return put_sites(text, results[-1].sites, str(settings.sites))

    if dry_run:
        changed = edit_sites_file(settings, edit, dry_run=True)
    else:
        with _stopped_server(settings) if salts.wanted else contextlib.nullcontext():
            changed = edit_sites_file(settings, edit)
            if salts.wanted:
                _place(salts.wanted, settings)
    lines = [*_report(results[-1], settings), *salts.lines]
    if dry_run:
        lines.append("A dry run: nothing was changed.")
    facts = {**_facts(results[-1]), "salts": salts.lines, "dry_run": dry_run}
    report_edit(settings, lines, facts if as_json else None, changed=changed and not dry_run)
    if results[-1].conflicts:
        context.exit(EXIT_CONFLICTS)


@dataclass(frozen=True, slots=True)
class _SaltPlan:
    """The planned change of the salts.

    Attributes:
        wanted: To be put in place; None for no change.
        lines: What to say.
    """

    wanted: Salts | None = None
    lines: tuple[str, ...] = ()


def _salts(settings: Settings, data: PlausibleData, *, replace: bool) -> _SaltPlan:
    if "salts" not in data.known:
        return _SaltPlan()
    salts, notes = salts_in_force(data.salts, time.time())
    lines = [f"Salts: {note}." for note in notes]
    path = StateFiles(settings.state_dir).salts
    try:
        here = salt_file.parse(path.read_text())
    except FileNotFoundError:
        here = None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        if not replace:
            raise click.ClickException(
                f"{path}: {error}; --replace-salts takes Plausible's instead, --no-salts leaves it"
            ) from None
        here = None
    if salts is None:
        lines.append("Salts: none are taken over; visitors have new ids.")
        return _SaltPlan(None, tuple(lines))
    if here == salts:
        return _SaltPlan(None, (*lines, "Salts: Plausible's are in place already."))
    # Plausible's salts of yesterday, from an earlier import, can be replaced.
    if here is not None and here.current != salts.previous and not replace:
        lines.append(
            f"Salts: {path} has others, which stay. --replace-salts takes Plausible's instead; "
            "visits that are open here are split then."
        )
        return _SaltPlan(None, tuple(lines))
    lines.append(f"Salts: Plausible's, for {path}; visitors keep their ids.")
    lines.append("Visits that are open in Plausible are not known here: they go on as new ones.")
    return _SaltPlan(salts, tuple(lines))


@contextlib.contextmanager
def _stopped_server(settings: Settings) -> Iterator[None]:
    """Prevent a server from starting, because it would ignore or overwrite the salts.

    Raises:
        click.ClickException: One runs.
    """
    try:
        with locked_directory(settings.state_dir):
            yield
    except StateDirectoryBusyError:
        raise click.ClickException(
            f"a server uses {settings.state_dir}: stop it while the salts are taken over, or pass "
            "--no-salts; nothing was changed"
        ) from None
    except PermissionError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None


def _place(salts: Salts, settings: Settings) -> None:
    path = StateFiles(settings.state_dir).salts
    try:
        write_atomically(path, salt_file.serialise(salts).encode(), durable=True)
        if os.geteuid() == 0:  # The server need not be root's.
            owner = settings.state_dir.stat()
            for file in (path, settings.state_dir / "lock"):
                os.chown(file, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror}; the sites are taken over"
        ) from None


def _facts(result: SiteImport) -> dict[str, object]:
    return {
        "changes": [list(change.lines()) for change in result.changes],
        "unchanged": result.unchanged,
        "only_in_file": [site.domain for site in result.only_in_file],
        "not_imported": list(result.not_imported),
        "conflicts": list(result.conflicts),
        "notes": list(result.notes),
    }


def _report(result: SiteImport, settings: Settings) -> Iterator[str]:
    for change in result.changes:
        yield from change.lines()
    if result.unchanged:
        yield f"Sites that are as Plausible has them: {result.unchanged}"
    if not result.changes and not result.unchanged:
        yield "Plausible has no sites that could be taken over."
    if result.only_in_file:
        names = ", ".join(f"{site.id} {site.domain}" for site in result.only_in_file)
        yield f"Only in {settings.sites}, and left as they are: {names}"
    for title, lines in (
        ("Not taken over", result.not_imported),
        ("Conflicts", result.conflicts),
        ("Notes", result.notes),
    ):
        if lines:
            yield f"{title}:"
            yield from (f"  {line}" for line in lines)

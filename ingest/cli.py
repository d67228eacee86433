"""The command line: `sluice COMMAND`."""

import os
import sys
from pathlib import Path
from typing import NoReturn, get_args

import click

from ingest import __version__
from ingest.commands.check import check_command
from ingest.commands.configuration import settings_of_command, settings_text
from ingest.commands.dead_letters import dead_letters
from ingest.commands.engine import engine
from ingest.commands.events import drops, tail, validate
from ingest.commands.import_past import import_past
from ingest.commands.shield import shield
from ingest.commands.sites import sites
from ingest.server.process_end import end_process
from ingest.server.serve import Role, serve
from ingest.server.start_files import StartError
from ingest.server.state_files import describe_failure
from ingest.settings import SettingsError, read_settings

EXIT_MISTAKE = 1


def main() -> NoReturn:
    """Run the command line; a user error ends it with one message and exit code 1 or 2."""
    open_closed_streams()
    try:
        commands()
    except (SettingsError, StartError) as error:
        click.echo(f"sluice: {error}", err=True)
        sys.exit(EXIT_MISTAKE)
    except OSError as error:
        directory = read_settings().state_dir
        if error.filename is None or directory not in Path(error.filename).parents:
            raise
        click.echo(f"sluice: {describe_failure(error)}", err=True)
        sys.exit(EXIT_MISTAKE)
    sys.exit(0)


def open_closed_streams() -> None:
    """Open standard streams that the parent process has closed on the null device.

    Python has no object for them, and the next opened file, such as the journal, would get the
    descriptor that libraries take for standard error.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for the whole process


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluice")
def commands() -> None:
    """Collect web-analytics events and write Plausible-shaped rows to ClickHouse.

    Configured by environment variables, or a .env file; `sluice settings` explains them all.
    """


@commands.command("serve")
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    default="all",
    show_default=True,
    help="all: everything in one process; front: takes requests and sends events to Kafka; "
    "worker: stores the events of the partitions that it owns.",
)
def serve_command(role: Role) -> None:
    """Run the server until SIGTERM or Ctrl-C, then store what was accepted and stop."""
    end_process(serve(settings_of_command(), role))


@commands.command("settings")
def settings_command() -> None:
    """Explain every setting."""
    click.echo(settings_text())


# SQL may begin with a comment, which looks like an option.
@commands.command("query", context_settings={"ignore_unknown_options": True})
@click.argument("sql")
def query_command(sql: str) -> None:
    """Run a read-only query against the store and print a JSON object for each row.

    The embedded store is asked through the server while that runs.
    """
    from ingest.client.query import QueryError, query

    try:
        for row in query(settings_of_command(), sql):
            click.echo(row)
    except QueryError as error:
        raise click.ClickException(str(error)) from None


for _command in (
    check_command,
    dead_letters,
    drops,
    engine,
    import_past,
    shield,
    sites,
    tail,
    validate,
):
    commands.add_command(_command)

"""The command line: `sluice COMMAND`."""

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from ingest import __version__
from ingest.commands.loading import CommandGroup, CommandToLoad

EXIT_MISTAKE = 1


def main() -> NoReturn:
    """Run the command line; a user error ends it with one message and exit code 1 or 2."""
    open_closed_streams()
    try:
        commands()
    except Exception as error:
        message = _mistake(error)
        if message is None:
            raise
        click.echo(f"sluice: {message}", err=True)
        sys.exit(EXIT_MISTAKE)
    sys.exit(0)


def _mistake(error: Exception) -> str | None:
    """What the operator has to correct; None if it is not the operator's."""
    from ingest.server.state_files import describe_failure
    from ingest.settings import SettingsError, read_settings

    if isinstance(error, SettingsError):
        return str(error)
    if not isinstance(error, OSError) or error.filename is None:
        return None
    of_the_state = read_settings().state_dir in Path(error.filename).parents
    return describe_failure(error) if of_the_state else None


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


_COMMANDS = (
    ("check", "check:check_command", "Test the configuration and the store."),
    ("dead-letters", "dead_letters:dead_letters", "Events and rows that failed: list, replay."),
    ("drops", "events:drops", "Show the last dropped events, and why."),
    ("engine", "engine:engine", "Make, check and watch a cluster on Apache Kafka."),
    ("import", "import_past:import_past", "Import past events from logs and exports."),
    ("init", "init:init", "Make a first sites file."),
    ("query", "query:query_command", "Run a read-only query against the store."),
    ("serve", "serve:serve_command", "Run the server."),
    ("settings", "settings:settings_command", "Explain every setting."),
    ("shield", "shield:shield", "List and edit a site's shields."),
    ("sites", "sites:sites", "List and edit the sites."),
    ("stats", "stats:stats", "Show a site's visitors, pages and sources."),
    ("tail", "events:tail", "Show accepted events as they arrive."),
    ("validate", "events:validate", "Trace an event through the pipeline; store nothing."),
)
"""For each command its name, where it is in `ingest.commands`, and what it does."""


@click.group(
    cls=CommandGroup,
    commands=[CommandToLoad(*command) for command in _COMMANDS],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="sluice")
@click.option(
    "--env-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Read settings from a file with lines NAME=value, as systemd's EnvironmentFile, instead "
    "of .env. Variables of the environment win.",
)
def commands(env_file: Path | None) -> None:
    """Collect web-analytics events and write Plausible-shaped rows to ClickHouse.

    Configured by environment variables, or a file of them; `sluice settings` explains them all.
    """

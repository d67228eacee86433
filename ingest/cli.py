"""The command line: `sluice serve | check | query | dead-letters | settings`."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

import click
import structlog

from actors.dead_letters import DeadLetters, LetterNotFoundError
from ingest import __version__
from ingest.log import configure
from ingest.serve import StartError, serve
from ingest.settings import (
    Settings,
    SettingsError,
    describe_settings,
    read_settings,
    unknown_variables,
)
from ingest.state_files import StateFiles

log = structlog.get_logger()

EXIT_MISTAKE = 1


def main() -> NoReturn:
    """Run the command line; a user's mistake ends it with one message and exit code 1 or 2."""
    try:
        commands()
    except (SettingsError, StartError) as error:
        click.echo(f"sluice: {error}", err=True)
        sys.exit(EXIT_MISTAKE)
    sys.exit(0)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluice")
def commands() -> None:
    """Collect web-analytics events and write Plausible-shaped rows to ClickHouse.

    Configured by environment variables, or a .env file; `sluice settings` explains them all.
    """


def _settings() -> Settings:
    settings = read_settings()
    configure(settings.log_level, settings.log_format)
    for warning in unknown_variables():
        log.warning(warning)
    return settings


@commands.command("serve")
def serve_command() -> None:
    """Run the server until SIGTERM or Ctrl-C, then store what was accepted and stop."""
    sys.exit(serve(_settings()))


def settings_text() -> str:
    """Every setting with its default and meaning, as a block of text."""
    return "\n".join(
        f"{setting.name}  (default: {setting.default})\n    {setting.meaning}"
        for setting in describe_settings()
    )


@commands.command("settings")
def settings_command() -> None:
    """Explain every setting."""
    click.echo(settings_text())


@commands.command("check", epilog="\b\n" + settings_text().replace("\n", "\n"))
def check_command() -> None:
    """Read the configuration, reach the store, create or migrate its tables; print what was found.

    Exit code 0 when the server could start, 1 when not.
    """
    from ingest.check import check

    sys.exit(0 if check(_settings(), click.echo) else EXIT_MISTAKE)


@commands.command("query")
@click.argument("sql")
def query_command(sql: str) -> None:
    """Run a read-only query against the store and print a JSON object for each row.

    The embedded store is asked through the server while that runs.
    """
    from ingest.query import QueryError, query

    try:
        for row in query(_settings(), sql):
            click.echo(row)
    except QueryError as error:
        raise click.ClickException(str(error)) from None


@commands.group("dead-letters", invoke_without_command=True)
@click.pass_context
def dead_letters(context: click.Context) -> None:
    """What could not be handled or stored, and why. Without a command: list."""
    context.obj = DeadLetters(StateFiles(_settings().state_dir).dead_letters)
    if context.invoked_subcommand is None:
        context.invoke(list_letters)


@dead_letters.command("list")
@click.pass_obj
def list_letters(letters: DeadLetters) -> None:
    """A JSON object for each letter, oldest first."""
    for letter_id in letters.ids():
        try:
            summary = letters.read(letter_id).summary()
        except ValueError as error:
            summary = {"id": letter_id, "error": str(error)}
        else:
            when = datetime.fromtimestamp(int(str(summary["created_at"])), UTC)
            summary["created_at"] = when.isoformat()
        click.echo(json.dumps({**summary, "to_be_replayed": letters.is_marked(letter_id)}))


@dead_letters.command("show")
@click.argument("letter_id", metavar="ID")
@click.pass_obj
def show_letter(letters: DeadLetters, letter_id: str) -> None:
    """The whole letter as JSON."""
    try:
        text = letters.read(letter_id).to_json()
    except (LetterNotFoundError, ValueError) as error:
        raise _letter_error(letter_id, error) from None
    click.echo(json.dumps(json.loads(text), indent=2))


@dead_letters.command("replay")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def replay_letters(letters: DeadLetters, letter_ids: Sequence[str]) -> None:
    """Put letters back into the pipeline.

    A running server does so within a few seconds, a stopped one when it starts.
    """
    for letter_id in letter_ids:
        try:
            letters.mark(letter_id)
        except LetterNotFoundError as error:
            raise _letter_error(letter_id, error) from None
        click.echo(f"{letter_id} will be replayed")


@dead_letters.command("drop")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def drop_letters(letters: DeadLetters, letter_ids: Sequence[str]) -> None:
    """Delete letters for good."""
    for letter_id in letter_ids:
        try:
            letters.drop(letter_id)
        except LetterNotFoundError as error:
            raise _letter_error(letter_id, error) from None
        click.echo(f"{letter_id} dropped")


def _letter_error(letter_id: str, error: Exception) -> click.ClickException:
    if isinstance(error, LetterNotFoundError):
        return click.ClickException(f"no dead letter has the id {letter_id!r}")
    return click.ClickException(f"dead letter {letter_id!r}: {error}")

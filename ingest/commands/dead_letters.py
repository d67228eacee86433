"""`sluice dead-letters`: events and rows that could not be handled or stored."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from actors.letters.letter_directory import LetterDirectory, LetterNotFoundError
from ingest.commands.configuration import settings_of_command
from ingest.server.state_files import StateFiles


@click.group("dead-letters", invoke_without_command=True)
@click.pass_context
def dead_letters(context: click.Context) -> None:
    """What could not be handled or stored, and why. Without a command: list."""
    context.obj = LetterDirectory(StateFiles(settings_of_command().state_dir).dead_letters)
    if context.invoked_subcommand is None:
        context.invoke(list_letters)


@dead_letters.command("list")
@click.pass_obj
def list_letters(letters: LetterDirectory) -> None:
    """A JSON object for each letter, oldest first."""
    for letter_id, entry in letters.scan().letters.items():
        try:
            summary = letters.read(letter_id).summary()
        except LetterNotFoundError:
            continue  # The server has deleted it meanwhile.
        except ValueError as error:
            summary = {"id": letter_id, "error": str(error)}
        else:
            when = datetime.fromtimestamp(int(str(summary["created_at"])), UTC)
            summary["created_at"] = when.isoformat()
        click.echo(json.dumps({**summary, "to_be_replayed": entry.marked}))


@dead_letters.command("show")
@click.argument("letter_id", metavar="ID")
@click.pass_obj
def show_letter(letters: LetterDirectory, letter_id: str) -> None:
    """The whole letter as JSON."""
    try:
        text = letters.read(letter_id).to_json()
    except (LetterNotFoundError, ValueError) as error:
        raise _letter_error(letter_id, error) from None
    click.echo(json.dumps(json.loads(text), indent=2))


@dead_letters.command("replay")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def replay_letters(letters: LetterDirectory, letter_ids: Sequence[str]) -> None:
    """Replay letters: send them through the pipeline again.

    A running server replays them within a few seconds, a stopped one at its next start.
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
def drop_letters(letters: LetterDirectory, letter_ids: Sequence[str]) -> None:
    """Delete letters permanently."""
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

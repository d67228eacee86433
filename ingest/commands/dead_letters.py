"""`sluice dead-letters`: events and rows that could not be handled or stored."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import click

from actors.letters.letter_directory import LetterDirectory, LetterNotFoundError
from ingest.commands.cluster_letters import LettersOfCluster
from ingest.commands.configuration import settings_of_command
from ingest.engine.letter_record import Mark
from ingest.server.state_files import StateFiles


class _Places(NamedTuple):
    """Where letters are."""

    files: LetterDirectory
    cluster: LettersOfCluster


@click.group("dead-letters", invoke_without_command=True)
@click.pass_context
def dead_letters(context: click.Context) -> None:
    """What could not be handled or stored, and why. Without a command: list.

    Covers the letters of this state directory and, if KAFKA_URL or KAFKA_BROKERS is set, those of
    the cluster's workers.
    """
    settings = settings_of_command()
    context.obj = _Places(
        LetterDirectory(StateFiles(settings.state_dir).dead_letters), LettersOfCluster(settings)
    )
    if context.invoked_subcommand is None:
        context.invoke(list_letters)


@dead_letters.command("list")
@click.pass_obj
def list_letters(places: _Places) -> None:
    """A JSON object for each letter, oldest first.

    Its `place` is `state_directory` or `cluster`.
    """
    for letter_id, entry in places.files.scan().letters.items():
        try:
            summary = places.files.read(letter_id).summary()
        except LetterNotFoundError:
            continue  # The server has deleted it meanwhile.
        except ValueError as error:
            summary = {"id": letter_id, "error": str(error)}
        _list(summary, "state_directory", marked=entry.marked)
    for summary, marked in places.cluster.summaries():
        _list(summary, "cluster", marked=marked)


def _list(summary: dict[str, object], place: str, *, marked: bool) -> None:
    created_at = summary.get("created_at")
    if isinstance(created_at, int):
        summary["created_at"] = datetime.fromtimestamp(created_at, UTC).isoformat()
    click.echo(json.dumps({**summary, "place": place, "to_be_replayed": marked}))


@dead_letters.command("show")
@click.argument("letter_id", metavar="ID")
@click.pass_obj
def show_letter(places: _Places, letter_id: str) -> None:
    """The whole letter as JSON."""
    try:
        letter = json.loads(places.files.read(letter_id).to_json())
    except LetterNotFoundError:
        letter = places.cluster.read(letter_id)
    except ValueError as error:
        raise click.ClickException(f"dead letter {letter_id!r}: {error}") from None
    if letter is None:
        raise _unknown(letter_id)
    click.echo(json.dumps(letter, indent=2))


@dead_letters.command("replay")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def replay_letters(places: _Places, letter_ids: Sequence[str]) -> None:
    """Replay letters: send them through the pipeline again.

    A running server replays them within a few seconds, a stopped one at its next start. In a
    cluster, fronts replay the events of workers' letters, and workers the rows.
    """
    _change(places, letter_ids, places.files.mark, "redrive", "will be replayed")


@dead_letters.command("drop")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def drop_letters(places: _Places, letter_ids: Sequence[str]) -> None:
    """Delete letters permanently."""
    _change(places, letter_ids, places.files.drop, "dropped", "dropped")


def _change(
    places: _Places,
    letter_ids: Sequence[str],
    change_file: Callable[[str], None],
    mark: Mark,
    done: str,
) -> None:
    """Change letters wherever they are; say what is done, and name one that is nowhere."""
    others: list[str] = []
    for letter_id in letter_ids:
        try:
            change_file(letter_id)
        except LetterNotFoundError:
            others.append(letter_id)
        else:
            click.echo(f"{letter_id} {done}")
    marked = places.cluster.mark(others, mark)
    for letter_id in marked:
        click.echo(f"{letter_id} {done}")
    for letter_id in others:
        if letter_id not in marked:
            raise _unknown(letter_id)


def _unknown(letter_id: str) -> click.ClickException:
    return click.ClickException(f"no dead letter has the id {letter_id!r}")

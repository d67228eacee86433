"""`sluice dead-letters`: events and rows that could not be handled or stored."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import click

from actors.letters.letter_directory import LetterDirectory, LetterNotFoundError
from ingest.commands.cluster_letters import LettersOfCluster
from ingest.commands.configuration import settings_of_command
from ingest.commands.output import (
    json_option,
    print_json,
    print_lines,
    print_none,
    shortened,
    table,
)
from ingest.engine.letter_record import Mark
from ingest.server.state_files import StateFiles

_HEAD: Final = ("ID", "TIME (UTC)", "KIND", "ABOUT", "PLACE", "REPLAY", "ERROR")


class _Places(NamedTuple):
    """Where letters are."""

    files: LetterDirectory
    cluster: LettersOfCluster


@click.group("dead-letters", invoke_without_command=True)
@json_option
@click.pass_context
def dead_letters(context: click.Context, as_json: bool) -> None:
    """What could not be handled or stored, and why. Without a command: list.

    Covers the letters of this state directory and, if KAFKA_URL or KAFKA_BROKERS is set, those of
    the cluster's workers.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_letters, as_json=as_json)
    elif as_json:
        raise click.UsageError(f"write --json behind {context.invoked_subcommand}")


@dead_letters.command("list")
@json_option
def list_letters(as_json: bool) -> None:
    """List all letters, oldest first, those of the state directory before those of the cluster."""
    listed: list[dict[str, Any]] = []
    try:
        for letter in _summaries(_places()):
            listed.append(letter)
            if as_json:
                print_json(letter)
    finally:  # The cluster may be away, but not the files.
        if not as_json:
            print_lines(table(_HEAD, map(_row, listed)))
    if not listed and not as_json:
        print_none("There are no dead letters.")


def _places() -> _Places:
    settings = settings_of_command(as_owner=True)
    return _Places(
        LetterDirectory(StateFiles(settings.state_dir).dead_letters), LettersOfCluster(settings)
    )


def _summaries(places: _Places) -> Iterator[dict[str, Any]]:
    for letter_id, entry in places.files.scan().letters.items():
        try:
            summary = places.files.read(letter_id).summary()
        except LetterNotFoundError:
            continue  # The server has deleted it meanwhile.
        except ValueError as error:
            summary = {"id": letter_id, "error": str(error)}
        yield _listed(summary, "state_directory", marked=entry.marked)
    for summary, marked in places.cluster.summaries():
        yield _listed(summary, "cluster", marked=marked)


def _listed(summary: dict[str, object], place: str, *, marked: bool) -> dict[str, Any]:
    created_at = summary.get("created_at")
    if isinstance(created_at, int):
        summary["created_at"] = datetime.fromtimestamp(created_at, UTC).isoformat()
    return {**summary, "place": place, "to_be_replayed": marked}


def _row(letter: Mapping[str, Any]) -> tuple[str, ...]:
    about = f"{letter['rows']} of {letter['table']}" if "table" in letter else letter.get("domain")
    return (
        letter["id"],
        letter.get("created_at", "-").removesuffix("+00:00"),
        letter.get("kind", "-"),
        about or "-",
        letter["place"],
        "yes" if letter["to_be_replayed"] else "-",
        shortened(letter["error"]),
    )


@dead_letters.command("show")
@click.argument("letter_id", metavar="ID")
@json_option
def show_letter(letter_id: str, as_json: bool) -> None:
    """Show the whole letter as JSON, in many lines or in one."""
    places = _places()
    try:
        letter = json.loads(places.files.read(letter_id).to_json())
    except LetterNotFoundError:
        letter = places.cluster.read(letter_id)
    except ValueError as error:
        raise click.ClickException(f"dead letter {letter_id!r}: {error}") from None
    if letter is None:
        raise _unknown(letter_id)
    click.echo(json.dumps(letter, indent=None if as_json else 2))


@dead_letters.command("replay")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def replay_letters(letter_ids: Sequence[str], as_json: bool) -> None:
    """Replay letters: send them through the pipeline again.

    A running server replays them within a few seconds, a stopped one at its next start. In a
    cluster, fronts replay the events of workers' letters, and workers the rows.
    """
    places = _places()
    _change(places, letter_ids, places.files.mark, "redrive", _said("will be replayed", as_json))


@dead_letters.command("drop")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@json_option
def drop_letters(letter_ids: Sequence[str], as_json: bool) -> None:
    """Delete letters permanently."""
    places = _places()
    _change(places, letter_ids, places.files.drop, "dropped", _said("dropped", as_json))


def _change(
    places: _Places,
    letter_ids: Sequence[str],
    change_file: Callable[[str], None],
    mark: Mark,
    say: Callable[[str], None],
) -> None:
    """Change letters wherever they are; say what is done, and name one that is nowhere."""
    others: list[str] = []
    for letter_id in letter_ids:
        try:
            change_file(letter_id)
        except LetterNotFoundError:
            others.append(letter_id)
        else:
            say(letter_id)
    marked = places.cluster.mark(others, mark)
    for letter_id in marked:
        say(letter_id)
    for letter_id in others:
        if letter_id not in marked:
            raise _unknown(letter_id)


def _said(done: str, as_json: bool) -> Callable[[str], None]:
    """What says of a letter that something is done."""
    if as_json:
        return lambda letter_id: print_json({"id": letter_id, "done": done})
    return lambda letter_id: click.echo(f"{letter_id} {done}")


def _unknown(letter_id: str) -> click.ClickException:
    return click.ClickException(f"no dead letter has the id {letter_id!r}")

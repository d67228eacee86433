"""`sluice query`: a read-only query against the store."""

import csv
import json
import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, Literal

import click

from ingest.commands.configuration import settings_of_command
from ingest.commands.output import (
    Cell,
    json_option,
    on_terminal,
    print_lines,
    print_none,
    shortened,
    table,
)

Format = Literal["table", "csv", "json"]

_CONTROLS: Final = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
"""Control characters that JSON may have as they are, but which terminals obey; others are escaped
by the store."""

_EXIT_CODES: Final = """\b
Exit codes:
  0  the store has answered, with rows or without
  1  the query is refused, or the store cannot be reached
  2  a mistake in the command"""


# SQL may begin with a comment, which looks like an option.
@click.command(
    "query", context_settings={"ignore_unknown_options": True}, epilog=f"\b\n{_EXIT_CODES}"
)
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "csv", "json")),
    help="How rows are printed: a table, in which long texts are cut; CSV with a head; a JSON "
    "object per line. A terminal gets a table, all else JSON if not given.",
)
@json_option
def query_command(sql: str, form: Format | None, as_json: bool) -> None:
    """Run a read-only query against the store and print its rows.

    The embedded store is asked through the server while that runs.
    """
    from ingest.client.query import QueryError, query

    if as_json:
        if form not in (None, "json"):
            raise click.UsageError("--json is --format json")
        form = "json"
    settings = settings_of_command(as_owner=True)
    try:
        lines = query(settings, sql)
    except QueryError as error:
        raise click.ClickException(str(error)) from None
    _print(lines, form or ("table" if on_terminal(sys.stdout) else "json"))


def _print(lines: Iterable[str], form: Format) -> None:
    if form == "json":
        print_lines(line.translate(_CONTROLS) for line in lines)
        return
    rows = list(map(_read, lines))
    if not rows:
        print_none("There are no rows.")
        return
    head = [name for name, _ in rows[0]]
    if form == "table":
        cells = [[_table_cell(value) for _, value in row] for row in rows]
        print_lines(table(head, cells))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_text(value) for _, value in row] for row in rows)


def _read(line: str) -> tuple[tuple[str, Any], ...]:
    """The columns of a row, of which several may have one name; decimals with all digits."""
    columns: tuple[tuple[str, Any], ...] = json.loads(
        line, object_pairs_hook=tuple, parse_float=Decimal
    )
    return columns


def _table_cell(value: Any) -> Cell:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    return "NULL" if value is None else shortened(_text(value))


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case int() | Decimal() if not isinstance(value, bool):
            return str(value)
        case _:
            return json.dumps(_plain(value), ensure_ascii=False, default=float)


def _plain(value: Any) -> Any:
    """A value as `json.loads` gives it: with objects as dictionaries."""
    if isinstance(value, tuple):
        return {name: _plain(item) for name, item in value}
    return [_plain(item) for item in value] if isinstance(value, list) else value

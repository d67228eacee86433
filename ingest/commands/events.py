"""`sluice drops`, `sluice tail` and `sluice validate`: events as the running server sees them."""

import http.client
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final
from urllib.parse import urlencode

import click

from ingest.client.running_server import RunningServer, RunningServerError
from ingest.commands.configuration import settings_of_command
from ingest.commands.event_text import (
    ACCEPTED_HEAD,
    DROPS_HEAD,
    accepted_line,
    drop_line,
    error_lines,
    moment,
    report_lines,
)
from ingest.commands.output import json_option, on_terminal, print_json, print_lines, print_none
from ingest.server.state_files import StateFiles

ANSWER_SECONDS: Final = 30.0
"""Longer than the server's longest silence: when idle it sends a comment every ten seconds."""

BROWSER: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

_INVALID: Final = 400

Line = Callable[[Mapping[str, Any]], str]
Lines = Callable[[Mapping[str, Any]], Iterable[str]]

site_option = click.option("--site", metavar="DOMAIN", help="Only events of this site or domain.")


@click.command("drops")
@site_option
@click.option(
    "--limit", "-n", type=click.IntRange(0, 1000), default=20, show_default=True, help="At most."
)
@click.option("--follow", "-f", is_flag=True, help="Show new ones as they come, until Ctrl-C.")
@json_option
def drops(site: str | None, limit: int, follow: bool, as_json: bool) -> None:
    """Show the last events that the running server has dropped, and why. The newest come last.

    The server remembers the last 100 drops of each site and the last 200 of unknown domains, since
    its start.
    """
    with _server() as server:
        if follow:
            _follow(server, "dropped", site, limit, DROPS_HEAD, None if as_json else drop_line)
            return
        query = _query(site=site, limit=limit)
        report = json.loads(server.ask(f"/api/drops?{query}", seconds=ANSWER_SECONDS))
        if report["drops"]:
            _head(DROPS_HEAD, as_json)
        for event in reversed(report["drops"]):
            _show(event, None if as_json else drop_line)
        if not report["drops"] and not as_json:
            which = "No event" if site is None else f"No event of {site}"
            started = moment(report["since"])
            print_none(f"{which} was dropped since the server's start at {started} (UTC).")


@click.command("tail")
@site_option
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(0, 256),
    default=10,
    show_default=True,
    help="Events of the past to begin with.",
)
@json_option
def tail(site: str | None, limit: int, as_json: bool) -> None:
    """Show accepted events as they arrive, until Ctrl-C."""
    with _server() as server:
        _follow(server, "accepted", site, limit, ACCEPTED_HEAD, None if as_json else accepted_line)


@click.command("validate")
@click.option(
    "--body",
    type=click.File("rb"),
    default="-",
    help="File with the body that a tracker sends; standard input without.",
)
@click.option(
    "--header",
    "-H",
    "headers",
    metavar="'NAME: VALUE'",
    multiple=True,
    help="A header of the tracker's request; without its own, a browser's User-Agent is sent.",
)
@json_option
def validate(body: IO[bytes], headers: tuple[str, ...], as_json: bool) -> None:
    """Trace an event through the pipeline, step by step. Nothing is stored.

    The exit code is 0 if it would be accepted for all its domains, else 1.
    """
    sent = {"user-agent": BROWSER, "content-type": "text/plain", **dict(map(_header, headers))}
    with _server() as server:
        try:
            answer = server.ask("/api/event/validate", body.read(), sent, seconds=ANSWER_SECONDS)
        except RunningServerError as error:
            if error.status != _INVALID:
                raise
            report = json.loads(error.body)
            _print(report, None if as_json else error_lines)
            sys.exit(1)
    report = json.loads(answer)
    _print(report, None if as_json else report_lines)
    sys.exit(0 if all(trace["accepted"] for trace in report["domains"]) else 1)


@contextmanager
def _server() -> Iterator[RunningServer]:
    """The running server; errors are printed in one line, and Ctrl-C is not an error."""
    try:
        yield RunningServer.find(StateFiles(settings_of_command().state_dir).server)
    except RunningServerError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        sys.exit(0)


def _follow(
    server: RunningServer, kind: str, site: str | None, replay: int, head: str, line: Line | None
) -> None:
    """Print events until the server stops."""
    query = _query(kind=kind, site=site, replay=min(replay, 256))
    with server.open(f"/api/live?{query}", seconds=ANSWER_SECONDS) as stream:
        _head(head, line is None)
        if on_terminal(sys.stderr):
            print_none("Waiting for events, until Ctrl-C.")
        try:
            for event, data in read_stream(stream):
                if event == "missed":
                    click.echo(f"{data['missed']} events missed, there were too many", err=True)
                else:
                    _show(data, line)
        except (OSError, http.client.HTTPException) as error:
            raise RunningServerError(f"the connection to the server is lost: {error}") from None
    click.echo("the server has stopped", err=True)


def read_stream(lines: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and data of server-sent events, as this server sends them."""
    kind = ""
    for line in lines:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


def _query(**parameters: str | int | None) -> str:
    return urlencode({name: value for name, value in parameters.items() if value is not None})


def _head(head: str, as_json: bool) -> None:
    """Print the column names, unless the output is JSON."""
    if not as_json and on_terminal(sys.stdout):
        click.secho(head, bold=True)


def _show(event: Mapping[str, Any], line: Line | None) -> None:
    if line is None:
        print_json(event)
    else:
        click.echo(line(event))


def _print(report: Mapping[str, Any], lines: Lines | None) -> None:
    if lines is None:
        print_json(report)
    else:
        print_lines(lines(report))


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"expected 'NAME: VALUE', got {text!r}", param_hint="--header")
    return name.strip().lower(), value.strip()

"""`sluice serve`: runs the server."""

import sys
from typing import TYPE_CHECKING, Final

import click

from ingest.commands.configuration import settings_of_command

if TYPE_CHECKING:
    from ingest.server.serve import Role

ROLES: "Final[tuple[Role, ...]]" = ("all", "front", "worker")


@click.command("serve")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="all",
    show_default=True,
    help="all: everything in one process; front: takes requests and sends events to Kafka; "
    "worker: stores the events of the partitions that it owns.",
)
def serve_command(role: "Role") -> None:
    """Run the server until SIGTERM or Ctrl-C, then store what was accepted and stop."""
    from ingest.server.process_end import end_process
    from ingest.server.serve import serve
    from ingest.server.start_files import StartError

    try:
        exit_code = serve(settings_of_command(of_unit=False), role)
    except StartError as error:
        click.echo(f"sluice: {error}", err=True)
        sys.exit(1)
    end_process(exit_code)

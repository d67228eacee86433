"""`sluice check`: can the server start, and is it configured as intended?"""

import json
import sys

import click

from ingest.commands.configuration import settings_of_command
from ingest.commands.output import paint, print_painted
from ingest.commands.settings import settings_text
from ingest.settings import unknown_variables


@click.command("check", epilog="\b\n" + settings_text())
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def check_command(*, as_json: bool) -> None:
    """Check the configuration, the store and its tables, which are created or migrated.

    Each line is ok, a warning or a problem, with what to do about it. Exit code 0 without a
    problem, 1 with one.
    """
    from ingest.check import check

    report = check(settings_of_command(warn=False), unknown_variables())
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        for line in report.lines(paint):
            print_painted(line)
    sys.exit(0 if report.good else 1)

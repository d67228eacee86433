"""`sluice check`: can the server start, and is it configured as intended?"""

import sys

import click

from ingest.commands.configuration import read_configuration
from ingest.commands.output import json_option, paint, print_json, print_painted
from ingest.commands.settings import settings_text


@click.command("check", epilog="\b\n" + settings_text())
@json_option
def check_command(*, as_json: bool) -> None:
    """Check the configuration, the store and its tables, which are created or migrated.

    Each line is ok, a warning or a problem, with what to do about it. Exit code 0 without a
    problem, 1 with one.
    """
    from ingest.check import check

    report = check(*read_configuration(as_owner=True))
    if as_json:
        print_json(report.to_dict())
    else:
        print_painted(report.lines(paint))
    sys.exit(0 if report.good else 1)

"""The command line, run in this process."""

from click.testing import CliRunner, Result

from ingest.cli import commands


def run(*arguments: str) -> Result:
    """What a command prints and how it ends."""
    return CliRunner().invoke(commands, arguments)

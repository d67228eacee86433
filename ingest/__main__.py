"""Runs `sluice`, also as `python -m ingest`."""

import sys
from typing import NoReturn

EXIT_INTERRUPTED = 130
"""As a shell reports a program that SIGINT has ended."""


def main() -> NoReturn:
    """Load the command line, which takes a second or more, and run it."""
    try:
        from ingest.cli import main as run_command

        run_command()
    except KeyboardInterrupt:
        sys.stderr.write("sluice: interrupted\n")
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()

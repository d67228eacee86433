"""Runs `sluice`, also as `python -m ingest`."""

import gc
import sys
from typing import Final, NoReturn

EXIT_INTERRUPTED = 130
"""As a shell reports a program that SIGINT has ended."""

GARBAGE_OBJECTS: Final = 100_000
"""New objects after which the garbage collector runs. The start leaves no cyclic garbage worth
mentioning, and with Python's default of 700, searching for it takes a tenth of the start. Once a
server listens, it has limits of its own (`ingest.server.running`)."""


def main() -> NoReturn:
    """Load the command line, which takes a second or more, and run it."""
    gc.set_threshold(GARBAGE_OBJECTS)
    try:
        from ingest.cli import main as run_command

        run_command()
    except KeyboardInterrupt:
        sys.stderr.write("sluice: interrupted\n")
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()

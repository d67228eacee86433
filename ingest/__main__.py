"""Runs `sluice`, also as `python -m ingest`."""

import gc
import sys
from typing import Final, NoReturn

EXIT_INTERRUPTED = 130
"""As a shell reports a program that SIGINT has ended."""

GARBAGE_OBJECTS: Final = 100_000
"""New objects after which the garbage collector runs. Neither the start nor events leave cyclic
garbage worth mentioning. With Python's default of 700, searching for it takes a tenth of the start,
and the collector would run every few events. The rows of a flush and of the next one are fewer, so
they do not make it run, either."""


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

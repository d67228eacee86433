"""The limit on this process's open files."""

import contextlib
import resource
from typing import Final

from ingest.http.hypercorn.open_connections import CONNECTIONS, RESERVED_FILES

WANTED_FILES: Final = CONNECTIONS + RESERVED_FILES
"""Open files with which nothing has to be refused for lack of them."""


def raise_file_limit() -> None:
    """Allow as many open files as wanted, within the hard limit.

    The soft limit is low by default for the sake of programs that use `select`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= WANTED_FILES:
        return
    allowed = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    # macOS reports a hard limit that it does not grant.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))

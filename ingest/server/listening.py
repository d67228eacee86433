"""The sockets that a server listens on, and the file that tells the command line about them."""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import structlog
import trio

from actors.files.atomic import write_state
from ingest.server.start_files import StartError

log = structlog.get_logger()


async def listen(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on a port.

    Raises:
        StartError: It cannot be used.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=1024)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error}"
        raise StartError(f"PORT {port} on HOST {host} {reason}") from None


@contextlib.contextmanager
def server_file(path: Path, port: int, token: str) -> Iterator[None]:
    """Write, while the server runs, the file with which this machine's command line reaches it."""
    content = {"pid": os.getpid(), "port": port, "token": token}
    try:
        write_state(path, json.dumps(content).encode())
    except OSError as error:
        log.error("the command line cannot reach this server", error=error.strerror)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()

"""The identity of a server among all that write to its database."""

import re
import secrets
import socket
from pathlib import Path

import structlog

from actors.files.atomic import write_state
from ingest.rows.servers import Server

log = structlog.get_logger()


def identify_server(path: Path, port: int) -> Server:
    """Identify this process, a single server.

    A state directory without a valid id gets a new one. An id that cannot be written lasts until
    the process ends.

    Args:
        path: The file of the state directory's id.
        port: Where the server listens.
    """
    directory = read_directory_id(path)
    if directory is None:
        directory = secrets.token_hex(16)
        try:
            write_state(path, directory.encode())
        except OSError as error:
            log.error("the id of the state directory cannot be written", error=error.strerror)
    return Server(secrets.token_hex(16), directory, f"{socket.gethostname()}:{port}")


def read_directory_id(path: Path) -> str | None:
    """The id of a state directory; None if it has no valid one."""
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text if re.fullmatch(r"[0-9a-f]{32}", text) else None

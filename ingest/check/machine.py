"""Checks the port, the limit on open files, and the clock."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from actors.files.open_files import open_files
from ingest.check.report import CheckResult, ok, problem, warning
from ingest.http.hypercorn.open_connections import (
    CONNECTIONS,
    RESERVED_FILES,
    connection_limit,
)
from ingest.server.open_files import WANTED_FILES

RELEASED: Final = 1_790_812_800
"""2026-10-01, before this program was released: an earlier clock is wrong."""

_LISTENING: Final = "0A"
"""A socket's state in /proc/net/tcp."""


def check_port(host: str, port: int, server: int | None) -> Iterator[CheckResult]:
    """Check whether the server can listen on the port.

    Args:
        host: Address to listen on.
        port: 0 for any.
        server: The process that serves from our state directory; None when none does.
    """
    if port == 0:
        yield ok("any free port (PORT=0)")
        return
    where = f"port {port} on {host}"
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        yield problem(f"HOST {host}: {error.strerror}", "give an address of this machine")
        return
    try:
        for family, kind, protocol, _, address in addresses:
            _bind(family, kind, protocol, address)
    except PermissionError:
        yield problem(
            f"{where} may not be used by this user",
            "use a port above 1023 behind a proxy, or grant CAP_NET_BIND_SERVICE",
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            yield problem(f"{where} cannot be used: {error.strerror}", "correct HOST or PORT")
            return
        yield _in_use(where, port, server)
    else:
        yield ok(f"{where} is free")


def _bind(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> None:
    with socket.socket(family, kind, protocol) as probe:
        # Like the server: ignore closing connections of an earlier process.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(address)


def _in_use(where: str, port: int, server: int | None) -> CheckResult:
    holder = listener_on(port)
    if server and (holder is None or holder[0] == server):
        return ok(f"{where} is in use by the running server (process {server})")
    by = "another process" if holder is None else f"{holder[1]} (process {holder[0]})"
    return problem(f"{where} is in use by {by}", "stop it, or set PORT")


def listener_on(port: int) -> tuple[int, str] | None:
    """Which process listens on a TCP port: its id and name.

    Returns:
        None if unknown: not on Linux, or another user's process.
    """
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) in sockets:
                    return int(process.name), (process / "comm").read_text().strip()
    return None


def _listening(port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on a port (proc(5), /proc/net/tcp)."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                    yield rest[5]


def check_files() -> Iterator[CheckResult]:
    """Compare the open files allowed with the connections that could be open.

    The server raises the soft limit to the hard one; so must have the caller.
    """
    allowed = open_files()
    limit = connection_limit()
    text = f"at most {limit} connections at a time"
    advice = f"allow {WANTED_FILES} or more: ulimit -n, or LimitNOFILE= of systemd"
    if limit == CONNECTIONS:
        yield ok(text)
    elif allowed > RESERVED_FILES:
        yield warning(f"{text}, since {allowed} open files are allowed", advice)
    else:
        yield warning(
            f"{text}, since only {allowed} open files are allowed; inserts may fail", advice
        )


def check_clock(now: float) -> Iterator[CheckResult]:
    """Check that the clock is plausible.

    Args:
        now: Unix seconds.
    """
    text = f"it is {datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if now < RELEASED:
        yield problem(
            f"{text}, which is before this program was written",
            "set the clock: events, salts and visits go by it",
        )
    else:
        yield ok(text)

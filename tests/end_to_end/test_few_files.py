"""A server that may have few open files, and gets more clients than it has files."""

import json
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx

from tests.end_to_end.few_files import FILES
from tests.end_to_end.sluice import CHROME, Sluice
from tests.waiting import wait_until


class FewFiles(Sluice):
    module = "tests.end_to_end.few_files"
    program = (module, "serve")


def answer(client: socket.socket, number: int) -> bytes:
    """Send an event; return the beginning of the answer, empty if the connection was closed."""
    body = json.dumps({"n": "pageview", "u": f"https://example.com/{number}", "d": "example.com"})
    head = f"POST /api/event HTTP/1.1\r\nhost: a\r\nuser-agent: {CHROME}\r\ncontent-length: "
    with suppress(ConnectionError):
        client.sendall(f"{head}{len(body)}\r\n\r\n{body}".encode())
        return client.recv(1000)
    return b""


def test_more_clients_than_open_files(tmp_path: Path) -> None:
    with FewFiles(tmp_path, "chdb://chdb") as server:
        accepted: set[str] = set()
        for turn in range(3):
            with ExitStack() as clients:
                sockets = [
                    clients.enter_context(
                        socket.create_connection(("127.0.0.1", server.port), timeout=60)
                    )
                    for _ in range(2 * FILES)
                ]
                for number, client in enumerate(sockets, 2 * FILES * turn):
                    if b" 202 " in answer(client, number):
                        accepted.add(f"/{number}")
        assert accepted
        stored: list[str] = []

        def all_stored() -> bool:
            # The server may refuse a connection until it has seen that the others are closed.
            with suppress(httpx.TransportError):
                rows = server.query("SELECT pathname FROM events_v2 WHERE name = 'pageview'")
                stored[:] = [row["pathname"] for row in rows]
            return accepted <= set(stored)

        wait_until(all_stored, server.log_text)
        assert len(stored) == len(set(stored))
        assert server.stop() == 0
        log = server.log_text()
        assert "Traceback" not in log
        assert "store unavailable" not in log
        report = server.command("check").stdout
        assert f"since only {FILES} open files are allowed; inserts may fail" in report

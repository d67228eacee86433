"""A TLS proxy for a ClickHouse server, with certificates created for the test.

The test server is built without TLS, so the proxy replaces its `tcp_port_secure`.
"""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Self

import pytest


class Authority:
    """A certificate authority in a separate directory, created with openssl."""

    def __init__(self, directory: Path) -> None:
        """Create its key and certificate.

        Args:
            directory: Directory for these and for signed certificates; created if necessary.
        """
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed (apt-get install openssl)")
        directory.mkdir(exist_ok=True)
        self._directory = directory
        self.certificate = directory / "ca.pem"
        _openssl(
            directory,
            *("req", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", "/CN=Authority of the tests"),
        )

    def sign(self, name: str) -> ssl.SSLContext:
        """Return the TLS context for a server with this name."""
        key, request, certificate = (f"{name}.{end}" for end in ("key", "csr", "pem"))
        (self._directory / "extensions").write_text(f"subjectAltName=DNS:{name}\n")
        _openssl(
            self._directory,
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", key, "-out", request, "-subj", f"/CN={name}"),
        )
        _openssl(
            self._directory,
            *("x509", "-req", "-days", "2", "-in", request, "-out", certificate),
            *("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions"),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._directory / certificate, self._directory / key)
        return context


class TlsProxy:
    """Accepts TLS on a free port of loopback, and forwards the bytes to a server and back."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        """Listen.

        Args:
            port: The server's port.
            context: TLS context with the certificate.
        """
        self._target = port
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        """Begin to accept connections."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop accepting connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, plain: socket.socket) -> None:
        with plain, contextlib.suppress(OSError):
            # Time out a client without a TLS handshake, like a server does.
            plain.settimeout(10)
            with (
                self._context.wrap_socket(plain, server_side=True) as client,
                socket.create_connection(("127.0.0.1", self._target)) as server,
            ):
                client.settimeout(None)
                threading.Thread(target=_answers, args=(server, client), daemon=True).start()
                _copy(client, server)


def _answers(server: socket.socket, client: socket.socket) -> None:
    _copy(server, client)
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65_536):
            target.sendall(received)


def _openssl(directory: Path, *arguments: str) -> None:
    command = [shutil.which("openssl") or "openssl", *arguments]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)

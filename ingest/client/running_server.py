"""A client for the server that runs on this machine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Final, Self

_FIRST_REFUSAL: Final = 300
"""The lowest status code that counts as a refusal."""


class RunningServerError(Exception):
    """The server cannot be reached, or refuses; the message says why.

    Attributes:
        status: What it answered; None when there was no answer.
        body: The answer's content.
    """

    def __init__(self, message: str, status: int | None = None, body: bytes = b"") -> None:
        """Say why."""
        super().__init__(message)
        self.status = status
        self.body = body


class NoServerError(RunningServerError):
    """No server runs with this state directory."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running server.

    Attributes:
        port: On loopback.
        token: Valid for all operator routes while it runs.
    """

    port: int
    token: str = field(repr=False)

    @classmethod
    def find(cls, server_file: Path) -> Self:
        """The server that wrote a `server.json`.

        Raises:
            NoServerError: There is none.
        """
        try:
            found = json.loads(server_file.read_text())
            return cls(int(found["port"]), str(found["token"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise NoServerError(
                f"no server runs, or not with this state directory: {server_file} does not say "
                "how to reach one"
            ) from None

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float,
        method: str | None = None,
    ) -> bytes:
        """Send a request and read the answer.

        Args:
            path: With the query.
            body: Content of the request.
            headers: Of the request, beside the token's.
            seconds: How long the server may be silent.
            method: None: POST with a body, GET without.

        Raises:
            RunningServerError: It does not answer, or refuses.
        """
        with self.open(path, body, headers, seconds=seconds, method=method) as answer:
            try:
                return answer.read()
            except (OSError, HTTPException) as error:
                raise self._no_answer(error) from None

    def open(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float,
        method: str | None = None,
    ) -> IO[bytes]:
        """As `ask`, without reading the answer, which the caller closes."""
        # Never through a proxy from the environment, which would see the token.
        connection = HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        own = {"authorization": f"Bearer {self.token}", "connection": "close"}
        try:
            connection.request(
                method or ("GET" if body is None else "POST"),
                path,
                body,
                {**(headers or {}), **own},
            )
            answer = connection.getresponse()
            if answer.status < _FIRST_REFUSAL:
                return answer
            with answer:
                content = answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise self._no_answer(error) from None
        raise RunningServerError(_message(answer.status, content), answer.status, content)

    def _no_answer(self, error: Exception) -> RunningServerError:
        return RunningServerError(f"the server on port {self.port} does not answer: {error}")


def _message(status: int, content: bytes) -> str:
    """The first of the errors that an answer names."""
    try:
        errors = json.loads(content)["errors"]
        return str(next(iter(errors.values()))[0])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, StopIteration):
        return f"the server answered {status}"

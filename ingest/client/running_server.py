"""The server that runs on this machine, as its command line reaches it."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

# Never through a proxy of the environment: it would be given the token, and have another loopback.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServerError(Exception):
    """The server cannot be asked, or refuses; the message says why.

    Attributes:
        status: What it answered; None when there was no answer.
        body: The answer's content.
    """

    def __init__(self, message: str, status: int | None = None, body: bytes = b"") -> None:
        """Say why."""
        super().__init__(message)
        self.status = status
        self.body = body


class NoServerError(ServerError):
    """None runs, as far as its state directory says."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that has said how to reach it.

    Attributes:
        port: On loopback.
        token: Good for all of the operator's routes while it runs.
    """

    port: int
    token: str = field(repr=False)

    @classmethod
    def find(cls, announcement: Path) -> Self:
        """The server that wrote a `server.json`.

        Raises:
            NoServerError: There is none.
        """
        try:
            found = json.loads(announcement.read_text())
            return cls(int(found["port"]), str(found["token"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise NoServerError(
                f"no server runs, or not with this state directory: {announcement} does not say "
                "how to reach one"
            ) from None

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float,
    ) -> bytes:
        """Send a request and read the answer.

        Args:
            path: With the query.
            body: Makes it a POST request.
            headers: Of the request, beside the token's.
            seconds: How long the server may be silent.

        Raises:
            ServerError: It does not answer, or refuses.
        """
        with self.open(path, body, headers, seconds=seconds) as answer:
            try:
                return answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise self._silent(error) from None

    def open(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float,
    ) -> IO[bytes]:
        """As `ask`, without reading the answer, which the caller closes."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=body,
            headers={**(headers or {}), "authorization": f"Bearer {self.token}"},
        )
        try:
            answer: IO[bytes] = _OPENER.open(request, timeout=seconds)
        except urllib.error.HTTPError as refusal:
            content = refusal.read()
            raise ServerError(_message(refusal.code, content), refusal.code, content) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from None
        return answer

    def _silent(self, error: Exception) -> ServerError:
        return ServerError(f"the server on port {self.port} does not answer: {error}")


def _message(status: int, content: bytes) -> str:
    """The first of the errors that an answer names."""
    try:
        errors = json.loads(content)["errors"]
        return str(next(iter(errors.values()))[0])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, StopIteration):
        return f"the server answered {status}"

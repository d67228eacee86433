"""The id of a request: what a client can quote of an error, and what the log says beside it."""

import re
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final

HEADER: Final = "x-request-id"

_SANE: Final = re.compile(r"[A-Za-z0-9+/=_.:-]{1,200}")
"""What Heroku's router, nginx, Caddy and Envoy give fits; nothing that could forge a log line."""


class RequestId:
    """The id of the request that one task is handling.

    It is made when somebody asks for it: requests that go well are not logged and need none.
    """

    __slots__ = ("_given", "_is_believed", "_text")

    def __init__(self, is_believed: Callable[[], bool]) -> None:
        """Know no request yet.

        Args:
            is_believed: Whether the connection's other end may name its requests.
        """
        self._is_believed = is_believed
        self._given: str | None = None
        self._text = ""

    def begin(self, headers: Mapping[str, str]) -> None:
        """Go on to the next request.

        Args:
            headers: The request's, by lower-case name.
        """
        self._given = headers.get(HEADER)
        self._text = ""

    @property
    def text(self) -> str:
        """The id: the proxy's if it is believed and sane, else 16 random hexadecimal digits."""
        if not self._text:
            given = self._given
            if given is not None and _SANE.fullmatch(given) and self._is_believed():
                self._text = given
            else:
                self._text = secrets.token_hex(8)
        return self._text


CURRENT: ContextVar[RequestId | None] = ContextVar("request_id", default=None)
"""Whose request the running task is handling; None outside of requests."""

"""The id of a request: it connects an error answer with the log."""

import re
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final

HEADER: Final = "x-request-id"

_SANE: Final = re.compile(r"[A-Za-z0-9+/=_.:-]{1,200}")
"""Matches the ids of Heroku's router, nginx, Caddy and Envoy, but nothing that could forge a log
line."""


class RequestId:
    """The id of the request that one task is handling.

    It is created on demand: successful requests are not logged and need none.
    """

    __slots__ = ("_given", "_is_believed", "_text")

    def __init__(self, is_believed: Callable[[], bool]) -> None:
        """Start without a request.

        Args:
            is_believed: Whether the peer is trusted to set request ids.
        """
        self._is_believed = is_believed
        self._given: str | None = None
        self._text = ""

    def begin(self, headers: Mapping[str, str]) -> None:
        """Start the next request.

        Args:
            headers: The request's, by lower-case name.
        """
        self._given = headers.get(HEADER)
        self._text = ""

    @property
    def text(self) -> str:
        """The id: the proxy's if trusted and valid, else 16 random hexadecimal digits."""
        if not self._text:
            given = self._given
            if given is not None and _SANE.fullmatch(given) and self._is_believed():
                self._text = given
            else:
                self._text = secrets.token_hex(8)
        return self._text


CURRENT: ContextVar[RequestId | None] = ContextVar("request_id", default=None)
"""The request that the current task is handling; None outside of requests."""

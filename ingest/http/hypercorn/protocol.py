"""hypercorn's HTTP/1, stricter: ambiguous messages are refused.

A proxy in front and this server must agree where each request ends; otherwise a client can hide one
request in another. So a message with two lengths is refused. There are no upgrades to HTTP/2 or
WebSocket, because their requests would bypass the proxy's rules under the proxy's address.
"""

import json
from http import HTTPStatus
from typing import Final, NamedTuple

import h11
from hypercorn.events import Closed, RawData
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import H11SendableEvent

HEAD_BYTES: Final = 16 * 1024
"""Maximum size of a request's head in bytes."""

HEADERS: Final = 100
"""Maximum number of a request's header lines. Browsers send about 20, and proxies add about 10."""

_UPGRADE: Final = b"upgrade"
_CONTENT_LENGTH: Final = b"content-length"
_TRANSFER_ENCODING: Final = b"transfer-encoding"

_UNANSWERED: Final = frozenset({h11.IDLE, h11.SEND_RESPONSE})
"""The server's states before a response."""

_LAST_REQUEST_READ: Final = frozenset({h11.MUST_CLOSE, h11.CLOSED})
"""The client's states once its last request has been read whole."""


class Refusal(NamedTuple):
    """Why a request is refused. Its connection is closed, because the request's end is unknown."""

    status: HTTPStatus
    message: str


TOO_LARGE: Final = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"A request's head has at most {HEAD_BYTES} bytes"
)
TOO_MANY: Final = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"A request has at most {HEADERS} headers"
)
TWO_LENGTHS: Final = Refusal(
    HTTPStatus.BAD_REQUEST, "Content-Length and Transfer-Encoding exclude each other"
)
NOT_IN_HTTP_1_0: Final = Refusal(HTTPStatus.BAD_REQUEST, "HTTP/1.0 knows no Transfer-Encoding")
NOT_HTTP_1: Final = Refusal(HTTPStatus.BAD_REQUEST, "Speaks HTTP/1 only")
NO_TUNNEL: Final = Refusal(HTTPStatus.BAD_REQUEST, "Makes no tunnels")


def refusal_of(request: h11.Request) -> Refusal | None:
    """Return the reason to refuse a well-formed request on any route; None if there is none.

    RFC 9112 §6.1 tells servers to treat a message with both lengths, and an HTTP/1.0 message with a
    transfer coding, as an error or at least as suspicious.
    """
    if not request.http_version.startswith(b"1."):
        return NOT_HTTP_1
    if request.method == b"CONNECT":
        return NO_TUNNEL
    headers = request.headers
    if len(headers) > HEADERS:
        return TOO_MANY
    size = len(request.target)
    told = coded = False
    for name, value in headers:
        size += len(name) + len(value) + 4  # the colon, a space and the line's end
        told = told or name == _CONTENT_LENGTH
        coded = coded or name == _TRANSFER_ENCODING
    if size > HEAD_BYTES:
        return TOO_LARGE
    if coded and told:
        return TWO_LENGTHS
    if coded and request.http_version == b"1.0":
        return NOT_IN_HTTP_1_0
    return None


def error_response(status: int, message: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of an error that closes its connection, in the usual format."""
    body = json.dumps({"errors": {"request": [message]}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"access-control-allow-origin", b"*"),
        (b"connection", b"close"),
    ]
    return headers, body


class FirstRequestCounts(h11.Connection):
    """h11's connection, which ignores what a client sends behind its last request.

    h11 takes bytes behind a request with `Connection: close` for a mistake, and hypercorn answers
    the mistake instead of the request, although the application has run. Nor does a mistake cut off
    a response that has begun. In both cases the connection is closed after the response.
    """

    @property
    def _over(self) -> bool:
        """Whether nothing that the client sends matters any more."""
        if self.their_state is h11.ERROR:
            return self.our_state not in _UNANSWERED
        return self.their_state in _LAST_REQUEST_READ

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the client; an empty value means that it has closed its side."""
        if not self._over:
            super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next part of a request.

        Raises:
            h11.RemoteProtocolError: The client has made a mistake in a request without a response.
        """
        if self._over:
            return h11.NEED_DATA
        try:
            return super().next_event()
        except h11.RemoteProtocolError:
            if self._over:
                return h11.NEED_DATA
            raise


class StrictHTTP(H11Protocol):
    """The HTTP/1 protocol of one connection."""

    _method = b""
    """Of the last request."""

    @classmethod
    def of(cls, wrapper: ProtocolWrapper) -> "StrictHTTP":
        """Return the protocol for a connection that hypercorn has prepared."""
        protocol = cls(
            wrapper.app,
            wrapper.config,
            wrapper.context,
            wrapper.task_group,
            wrapper.state,
            wrapper.ssl,
            wrapper.client,
            wrapper.server,
            wrapper.send,
        )
        protocol.connection = FirstRequestCounts(
            h11.SERVER, max_incomplete_event_size=wrapper.config.h11_max_incomplete_size
        )
        return protocol

    async def _check_protocol(self, event: h11.Request) -> None:
        """Never upgrade: a server may ignore the `Upgrade` header (RFC 9110 §7.8)."""

    async def _create_stream(self, request: h11.Request) -> None:
        self._method = request.method
        refusal = refusal_of(request)
        if refusal is not None:
            await self._refuse(*refusal)
            await self.send(Closed())
            return
        if any(name == _UPGRADE for name, _ in request.headers):
            request = h11.Request(
                method=request.method,
                target=request.target,
                headers=[header for header in request.headers if header[0] != _UPGRADE],
                http_version=request.http_version,
            )
        await super()._create_stream(request)

    async def _send_error_response(self, status_code: int) -> None:
        """Answer a request that h11 rejects, with h11's status code."""
        phrase = HTTPStatus(status_code).phrase
        too_large = status_code == TOO_LARGE.status
        await self._refuse(status_code, TOO_LARGE.message if too_large else phrase)

    async def _refuse(self, status: int, message: str) -> None:
        headers, body = error_response(status, message)
        headers += self.config.response_headers("h11")
        events: list[H11SendableEvent] = [h11.Response(status_code=status, headers=headers)]
        # Before it has read a request's head, the server is idle.
        if self._method != b"HEAD" or self.connection.our_state is h11.IDLE:
            events.append(h11.Data(data=body))
        events.append(h11.EndOfMessage())
        try:
            # Sent at once, so that no response of the application comes in between.
            data = b"".join(self.connection.send(event) or b"" for event in events)
        except h11.LocalProtocolError:
            return  # the application's response has begun; closing the connection cuts it off
        await self.send(RawData(data=data))

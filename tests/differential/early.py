"""Which requests may be answered before their body has been read."""

from collections.abc import Iterator
from typing import Final

import h11

_READ: Final = frozenset({b"/api/event", b"/api/events"})
"""Where a POST is answered only once its body has been read, unless it is refused for its head."""


def may_be_answered_early(sent: bytes) -> bool:
    """Whether bytes of a client hold a request with a body that may be answered before it is read.

    Args:
        sent: All bytes on a connection.
    """
    with_body = False
    request: h11.Request | None = None
    for event in _events(sent):
        if isinstance(event, h11.Request):
            request, with_body = event, False
        elif request is not None and not isinstance(event, h11.EndOfMessage):
            with_body = True
        if with_body and request is not None and not _reads_body(request):
            return True
    return False


def _reads_body(request: h11.Request) -> bool:
    names = {name for name, _ in request.headers}
    path = request.target.partition(b"?")[0]
    return request.method == b"POST" and path in _READ and not names & {b"accept", b"expect"}


def _events(sent: bytes) -> Iterator[object]:
    """The parts of the requests; an error ends them, and is one of them."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=16 * 1024)
    connection.receive_data(sent)
    connection.receive_data(b"")
    while True:
        try:
            event = connection.next_event()
            if event is h11.PAUSED:
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
                continue
        except h11.ProtocolError as error:
            yield error
            return
        if isinstance(event, h11.ConnectionClosed) or event is h11.NEED_DATA:
            return
        yield event

"""Limits the total memory of the bodies of all current requests.

Each body has its own limit, but thousands of connections may each send one slowly.
"""

from typing import Any, Final

from quart.wrappers import Request
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers.request import TrioBody

BODIES_BYTES: Final = 64_000_000
"""Enough for 8 batches or 64 single events of the maximum size."""

SMALL_PARTS: Final = 1_000
PART_BYTES: Final = 64
"""A body comes in at most `SMALL_PARTS` parts, and one more for every `PART_BYTES` bytes. Each part
of a chunked body takes some 60 µs, so chunks of a byte would take ten seconds for half a
megabyte."""


class BodyBudgetExceededError(Exception):
    """The current bodies exceed the budget, so this one is not read further."""


class BodyInPiecesError(Exception):
    """The body comes in too many small parts, so it is not read further."""


class BodyBudget:
    """The memory that all current bodies of a server may use.

    Attributes:
        limit: Bytes.
        used: Bytes of the current bodies.
    """

    def __init__(self, limit: int = BODIES_BYTES) -> None:
        """Start with an empty budget."""
        self.limit = limit
        self.used = 0


class CountedBody(TrioBody):
    """A body whose parts are charged to the budget as they arrive."""

    _budget: BodyBudget | None = None
    _taken = 0
    _parts = 0

    def charge(self, budget: BodyBudget) -> None:
        """Charge all further parts to a budget."""
        self._budget = budget

    def append(self, data: bytes) -> None:
        """Add a part. If it exceeds the budget, reading the body raises an error."""
        budget = self._budget
        if budget is not None and self._must_raise is None:
            self._parts += 1
            if self._parts > SMALL_PARTS + self._taken // PART_BYTES:
                self._must_raise = BodyInPiecesError()
                self.clear()
                self.set_complete()
                return
            if budget.used + len(data) > budget.limit:
                self._must_raise = BodyBudgetExceededError()
                self.clear()
                self.set_complete()
                return
            budget.used += len(data)
            self._taken += len(data)
        super().append(data)

    def release(self) -> None:
        """Return the memory to the budget."""
        if self._budget is not None:
            self._budget.used -= self._taken
            self._budget, self._taken = None, 0


class BoundedConnection(TrioASGIHTTPConnection):
    """A request whose body is charged to the budget until the response has been sent."""

    def __init__(self, budget: BodyBudget, *arguments: Any) -> None:
        """Take the budget, then Quart-Trio's arguments."""
        super().__init__(*arguments)
        self._budget = budget
        self._bodies: list[CountedBody] = []

    async def __call__(self, receive: Any, send: Any) -> None:
        """Handle the request."""
        try:
            await super().__call__(receive, send)
        finally:
            for body in self._bodies:
                body.release()

    def _create_request_from_scope(self, send: Any) -> Request:
        request = super()._create_request_from_scope(send)
        if isinstance(request.body, CountedBody):
            request.body.charge(self._budget)
            self._bodies.append(request.body)
        return request

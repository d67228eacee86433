"""Work that is cancelled when its client has disconnected or the server stops."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import trio

T = TypeVar("T")

ENDS: Final = "ends"
"""Where a connection's state has what ends its long work."""


class End(Protocol):
    """Something that happens once."""

    async def wait(self) -> object:
        """Return when it has happened."""


class UnwantedError(Exception):
    """The client has hung up, or the server stops."""


async def while_wanted(scope: Mapping[str, Any], work: Callable[[], Awaitable[T]]) -> T:
    """Do something for a request, and cancel it when the client hangs up or the server stops.

    Args:
        scope: The request's, as ASGI has it.
        work: What to do.

    Raises:
        UnwantedError: It was cancelled.
    """
    ends: Sequence[End] = scope.get("state", {}).get(ENDS, ())
    results: list[T] = []
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        for end in ends:
            nursery.start_soon(_cancel_after, end, nursery.cancel_scope)
        try:
            results.append(await work())
        except Exception as error:
            failure = error  # raised by itself, not in the nursery's group
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not results:
        raise UnwantedError("nobody waits for the answer any more, or the server is stopping")
    return results[0]


async def _cancel_after(end: End, scope: trio.CancelScope) -> None:
    await end.wait()
    scope.cancel()

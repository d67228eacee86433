"""Work that is cancelled when its client has disconnected or the server stops."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import trio

T = TypeVar("T")

ENDS: Final = "ends"
"""The key in a connection's state of the `End`s that cancel long work."""


class End(Protocol):
    """An event that happens once."""

    async def wait(self) -> object:
        """Wait until it has happened."""


class UnwantedError(Exception):
    """The client has disconnected, or the server stops."""


async def while_wanted(scope: Mapping[str, Any], work: Callable[[], Awaitable[T]]) -> T:
    """Run work for a request, and cancel it when the client disconnects or the server stops.

    Args:
        scope: The request's ASGI scope.
        work: The work to run.

    Raises:
        UnwantedError: The work was cancelled.
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
            failure = error  # raised below, outside the nursery's exception group
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not results:
        raise UnwantedError("nobody waits for the answer any more, or the server is stopping")
    return results[0]


async def _cancel_after(end: End, scope: trio.CancelScope) -> None:
    await end.wait()
    scope.cancel()

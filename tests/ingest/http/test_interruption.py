from typing import Any

import pytest
import trio

from ingest.http.interruption import ENDS, UnwantedError, while_wanted


async def answer() -> str:
    await trio.lowlevel.checkpoint()
    return "done"


async def fail() -> str:
    raise LookupError("no")


def scope_with(*ends: trio.Event) -> dict[str, Any]:
    return {"state": {ENDS: ends}}


@pytest.mark.parametrize("scope", [{}, {"state": {}}, scope_with(), scope_with(trio.Event())])
async def test_results_and_errors(scope: dict[str, Any]) -> None:
    assert await while_wanted(scope, answer) == "done"
    with pytest.raises(LookupError, match="no"):
        await while_wanted(scope, fail)


@pytest.mark.parametrize("which", [0, 1])
async def test_either_end_cancels(which: int, nursery: trio.Nursery) -> None:
    ends = (trio.Event(), trio.Event())
    begun = trio.Event()

    async def work() -> None:
        begun.set()
        await trio.sleep_forever()

    async def end() -> None:
        await begun.wait()
        ends[which].set()

    nursery.start_soon(end)
    with pytest.raises(UnwantedError):
        await while_wanted(scope_with(*ends), work)


async def test_a_cancellation_from_outside_stays_one() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await while_wanted(scope_with(trio.Event()), trio.sleep_forever)
    assert scope.cancelled_caught

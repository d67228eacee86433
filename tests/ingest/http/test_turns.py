import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.http.turns import Turns

SECONDS = 5.5


class Clients:
    """Clients that take turns of a second."""

    def __init__(self, number: int) -> None:
        self.turns = Turns(number, SECONDS)
        self.served: list[str] = []
        self.refused: list[str] = []

    async def come(self, name: str, last: float = 0) -> None:
        async with self.turns.turn(last) as has_come:
            if not has_come:
                self.refused.append(name)
                return
            self.served.append(name)
            await trio.sleep(1)


async def test_who_waits_comes_in_order(autojump_clock: MockClock) -> None:
    clients = Clients(1)
    async with trio.open_nursery() as nursery:
        for name in "abcd":
            nursery.start_soon(clients.come, name)
            await wait_all_tasks_blocked()
    assert clients.served == list("abcd")
    assert trio.current_time() == 4


async def test_who_was_served_longest_ago_comes_first(autojump_clock: MockClock) -> None:
    clients = Clients(1)
    async with trio.open_nursery() as nursery:
        for name, last in (("a", 0), ("b", 3), ("c", 2), ("d", 0), ("e", 1)):
            nursery.start_soon(clients.come, name, last)
            await wait_all_tasks_blocked()
    assert clients.served == list("adecb")


async def test_who_has_waited_in_vain_is_refused(autojump_clock: MockClock) -> None:
    clients = Clients(2)
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(clients.come, str(number))
            await wait_all_tasks_blocked()
    names = [str(number) for number in range(20)]
    assert (set(clients.served), set(clients.refused)) == (set(names[:12]), set(names[12:]))
    await clients.come("later")
    assert clients.served[-1] == "later"


@pytest.mark.parametrize("has_turn", [True, False])
async def test_who_goes_keeps_no_turn(autojump_clock: MockClock, has_turn: bool) -> None:
    clients = Clients(1)
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as going:
                nursery.start_soon(clients.come, "a")
                await wait_all_tasks_blocked()
                going.start_soon(clients.come, "b")
                await wait_all_tasks_blocked()
                if has_turn:
                    await trio.sleep(1.5)
                scope.cancel()
    await clients.come("c")
    assert clients.served == (["a", "b", "c"] if has_turn else ["a", "c"])


async def test_greedy_clients_share_the_turns(autojump_clock: MockClock) -> None:
    clients = Clients(2)

    async def come_again_and_again(name: str) -> None:
        last = 0.0
        while trio.current_time() < 60:
            before = clients.served.count(name)
            await clients.come(name, last)
            if clients.served.count(name) > before:
                last = trio.current_time()

    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(come_again_and_again, str(number))
    counts = [clients.served.count(str(number)) for number in range(30)]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) >= 2 * 60

"""Which connections are admitted, and which are closed for them."""

import math
import resource

import pytest
import trio
from trio.testing import MockClock

from ingest.http.hypercorn.open_connections import (
    ADDRESS_SHARE,
    CONNECTIONS,
    RESERVED_FILES,
    SEARCH_SECONDS,
    Closing,
    OpenConnection,
    OpenConnections,
    connection_limit,
)
from ingest.request.client_address import TrustedProxies

LIMIT = 4 * ADDRESS_SHARE
PROXY = "10.0.0.1"
CLIENT = "203.0.113.9"


class Waiting:
    def __init__(self, since: float) -> None:
        self.waiting_since = since
        self.finished = False

    def finish(self) -> None:
        self.finished = True


class Connections:
    def __init__(self, limit: int = LIMIT) -> None:
        self.displaced = 0
        self.all = OpenConnections(limit, TrustedProxies.parse("private"), self.count)
        self.served: dict[OpenConnection, Waiting] = {}

    def count(self) -> None:
        self.displaced += 1

    def admit(self, peer: str = PROXY, since: float = math.inf) -> Waiting | None:
        connection = self.all.admit(peer)
        if connection is None:
            return None
        connection.served = waiting = Waiting(since)
        self.served[connection] = waiting
        return waiting

    def closed(self) -> list[float]:
        """Since when those had been waiting that were closed."""
        closed = [one for one in self.served if one.scope.cancel_called]
        assert all(self.served[one].finished for one in closed)
        return sorted(self.served[one].waiting_since for one in closed)


async def test_those_that_wait_longest_make_room(autojump_clock: MockClock) -> None:
    connections = Connections()
    waiting = [connections.admit(since=number) for number in range(LIMIT)]
    assert connections.closed() == []
    first, second = waiting[0], waiting[2]
    assert first is not None
    assert second is not None
    first.waiting_since = math.inf
    connections.admit(since=100)
    assert connections.closed() == [1]
    # One that has had a request meanwhile, and one that has closed, are passed over.
    second.waiting_since = 101
    connections.all.remove(next(one for one, of in connections.served.items() if of is waiting[3]))
    connections.admit()
    assert connections.closed() == [1]
    connections.admit()
    assert connections.closed() == [1, 4]
    assert connections.displaced == 2
    assert len(connections.all) == LIMIT


async def test_room_is_what_is_left_of_the_limit(autojump_clock: MockClock) -> None:
    connections = Connections()
    for _ in range(LIMIT - 2):
        connections.admit()
    assert connections.all.has_room(2)
    assert not connections.all.has_room(3)


async def test_searches_are_rare(autojump_clock: MockClock) -> None:
    connections = Connections()
    busy = [connections.admit() for _ in range(LIMIT)]
    assert connections.admit() is None
    one = busy[0]
    assert one is not None
    one.waiting_since = 7
    assert connections.admit() is None
    await trio.sleep(SEARCH_SECONDS * LIMIT)
    assert connections.admit() is not None
    assert connections.closed() == [7]


async def test_an_address_has_a_share(autojump_clock: MockClock) -> None:
    connections = Connections()
    for number in range(LIMIT // ADDRESS_SHARE):
        assert connections.admit("2001:db8::1", number) is not None
    assert connections.admit("2001:db8::2") is None
    assert connections.admit("2001:db8:0:1::2") is not None
    connections.all.remove(next(iter(connections.served)))
    assert connections.admit("2001:db8::2") is not None
    assert connections.closed() == []


async def test_a_trusted_proxy_may_have_all(autojump_clock: MockClock) -> None:
    connections = Connections()
    for _ in range(LIMIT):
        assert connections.admit(PROXY) is not None
    assert connections.admit(CLIENT) is None


async def test_nothing_is_kept_of_closed_connections(autojump_clock: MockClock) -> None:
    connections = Connections()
    for number in range(3):
        connections.admit(f"203.0.113.{number}")
    for connection in connections.served:
        connections.all.remove(connection)
        connections.all.remove(connection)
    assert len(connections.all) == 0
    assert not connections.all._of_address


async def test_one_that_has_had_its_last_answer_goes_first(autojump_clock: MockClock) -> None:
    connections = Connections(limit=2)
    connections.admit(since=-5)
    last = connections.all.admit(PROXY)
    assert last is not None
    assert last.waiting_since == math.inf
    last.served = Closing()
    connections.admit()
    assert last.scope.cancel_called
    assert connections.closed() == []


@pytest.mark.parametrize(
    ("allowed", "limit"),
    [
        (64, 8),
        (128, 16),
        (256, 32),
        (1024, 1024 - RESERVED_FILES),
        (CONNECTIONS + RESERVED_FILES, CONNECTIONS),
        (100_000, CONNECTIONS),
        (resource.RLIM_INFINITY, CONNECTIONS),
    ],
)
def test_the_limit_leaves_files_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, allowed: int, limit: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert connection_limit() == limit

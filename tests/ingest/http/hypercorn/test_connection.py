import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.http.hypercorn.connection import WRITE_SECONDS, TimedStream


class Stuck:
    """A stream that takes nothing."""

    socket = None

    def __init__(self) -> None:
        self.closed = False

    async def send_all(self, data: bytes) -> None:
        await trio.sleep_forever()

    async def receive_some(self, limit: int) -> bytes:
        return b""

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self.closed = True
        await trio.lowlevel.checkpoint()


async def test_a_client_that_does_not_read_is_left(autojump_clock: MockClock) -> None:
    stuck = Stuck()
    stream = TimedStream(stuck)  # type: ignore[arg-type]
    with pytest.raises(trio.BrokenResourceError), trio.CancelScope(shield=True):
        await stream.send_all(b"x")
    assert trio.current_time() == WRITE_SECONDS
    assert stuck.closed


async def test_a_client_that_reads_is_waited_for(autojump_clock: MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    ours.socket = None  # type: ignore[attr-defined]
    stream = TimedStream(ours)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"x")
        await wait_all_tasks_blocked()
        assert await theirs.receive_some() == b"x"

"""How long hostile requests hold the event loop: `python -m benchmarks.hostile [WORD…]`.

Sends each kind of request to the real server, in this process, on the fast path and through
hypercorn. Prints the processor time of the longest step of any task on the loop's thread (no
request may need more than 10 ms), and the memory at its peak in sizes of the request. WORDs choose
the kinds whose names contain them. Time is of the best of some rounds, since other programs on the
machine can only lengthen it.
"""

import argparse
import contextlib
import gc
import socket
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trio

from actors.keepers.other_servers import OtherServers
from ingest.rows.servers import Server
from ingest.server.running import keep_collections_short
from ingest.server.serve import SWITCH_SECONDS
from ingest.server.web import Web
from ingest.settings import Settings
from tests.actors.pipeline.running_pipeline import Pipeline, running
from tests.hostile_requests import TOKEN, Hostile, hostile_requests
from tests.ingest.http.application import a_reload

ROUNDS = 3
LIMIT_MS = 10.0
SMALLEST = 65_536
"""Bytes of a request with which memory is compared at least; each takes some for itself."""


class StepTimer(trio.abc.Instrument):
    """Measures the longest step of a task: what runs between two checkpoints.

    Attributes:
        longest: Seconds of processor time of this thread.
        task: Name of the task.
    """

    def __init__(self) -> None:
        """Start with nothing. The calling task is not measured."""
        self.reset()
        self._own = trio.lowlevel.current_task()
        self._began = 0.0

    def reset(self) -> None:
        """Forget all steps."""
        self.longest, self.task = 0.0, ""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note the time."""
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Compare the step with the longest."""
        seconds = time.thread_time() - self._began
        if seconds > self.longest and task is not self._own:
            self.longest, self.task = seconds, ".".join(task.name.split(".")[-2:])


AT_ONCE = 80_000
"""Bytes of the largest request that is sent whole when all connections send at once."""


class Clients:
    """The connections of one kind of requests."""

    def __init__(self, port: int, hostile: Hostile) -> None:
        """Connect, and send what is not sent at once. Blocks."""
        self._connections: list[socket.socket] = []
        self._last: list[bytes] = []
        for request in hostile.requests:
            connection = socket.create_connection(("127.0.0.1", port), 30)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * AT_ONCE)
            cut = 0 if len(request) <= AT_ONCE else len(request) - 1
            with contextlib.suppress(OSError):  # refused before its end
                connection.sendall(request[:cut])
            self._connections.append(connection)
            self._last.append(request[cut:])

    def send(self) -> None:
        """Send the last bytes on all connections. Does not block."""
        for connection, data in zip(self._connections, self._last, strict=True):
            with contextlib.suppress(OSError):
                connection.sendall(data)

    def receive(self) -> str:
        """Return the status of the first answer; read all answers, and close. Blocks."""
        status = ""
        for connection in self._connections:
            try:
                data = connection.recv(65_536)
                status = status or data[9:12].decode()
                connection.settimeout(0.05)
                while data:
                    data = connection.recv(65_536)
            except OSError as error:
                status = status or type(error).__name__
            connection.close()
        return status


async def exchange(port: int, hostile: Hostile) -> str:
    """Send one kind of requests, and return the status of the first answer."""
    clients = await trio.to_thread.run_sync(Clients, port, hostile)
    await trio.sleep(0.01)
    clients.send()
    return await trio.to_thread.run_sync(clients.receive)


@contextlib.contextmanager
def traced() -> Iterator[None]:
    """Trace the memory of all objects."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


async def measure(port: int, hostile: Hostile, timer: StepTimer) -> tuple[float, float, str, str]:
    """Send one kind of requests several times.

    Returns:
        Seconds, sizes of the request, the answer's status, and the task.
    """
    seconds, task, status = float("inf"), "", ""
    for _ in range(ROUNDS):
        gc.collect()
        timer.reset()
        status = await exchange(port, hostile)
        if timer.longest < seconds:
            seconds, task = timer.longest, timer.task
    with traced():
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        await exchange(port, hostile)
        _, peak = tracemalloc.get_traced_memory()
    return seconds, (peak - before) / max(hostile.size, SMALLEST), status, task


async def serve(pipeline: Pipeline, nursery: trio.Nursery, path: str) -> int:
    """Start the server of a pipeline, and return its port."""
    web = Web(
        Settings(
            _env_file=None,
            SLUICE_FAST_PATH=path,
            SLUICE_ADMIN_TOKEN=TOKEN,
            SLUICE_TRUSTED_PROXIES="all",
        ),  # type: ignore[call-arg]
        pipeline.collector,
        a_reload("sites_file"),
        None,
        OtherServers(pipeline.store, Server("process", "directory", "here:8000")),
        pipeline.store,
        None,
    )
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    await nursery.start(web.server(listeners).run)
    port: int = listeners[0].socket.getsockname()[1]
    return port


async def run(words: list[str]) -> int:
    """Print a table.

    Returns:
        The number of kinds that hold the loop for too long.
    """
    timer = StepTimer()
    slow = 0
    print(f"{'kind':<44}{'bytes':>10}  {'path':<9}{'ms':>7}{'memory':>8}  answer  longest step")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for path in ("on", "off"):
            (directory / path).mkdir()
        async with (
            running(Pipeline(directory / "on", on_disk=True)) as fast,
            running(Pipeline(directory / "off", on_disk=True)) as slower,
            trio.open_nursery() as nursery,
        ):
            ports = {
                "fast": await serve(fast, nursery, "on"),
                "hypercorn": await serve(slower, nursery, "off"),
            }
            trio.lowlevel.add_instrument(timer)
            keep_collections_short()
            for hostile in hostile_requests():
                if not all(word in hostile.name for word in words):
                    continue
                for path, port in ports.items():
                    seconds, memory, status, task = await measure(port, hostile, timer)
                    late = seconds * 1000 > LIMIT_MS
                    slow += late
                    print(
                        f"{hostile.name:<44}{hostile.size:>10,}  {path:<9}{seconds * 1000:>7.1f}"
                        f"{memory:>7.1f}×  {status:<6}  {'! ' if late else ''}{task}",
                        flush=True,
                    )
            nursery.cancel_scope.cancel()
    return slow


def main() -> None:
    """Print a table; exit with 1 if a request holds the loop for too long."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("words", nargs="*", help="measure only kinds with these words in the name")
    words: Any = parser.parse_args().words
    sys.setswitchinterval(SWITCH_SECONDS)
    sys.exit(trio.run(run, words) > 0)


if __name__ == "__main__":
    main()

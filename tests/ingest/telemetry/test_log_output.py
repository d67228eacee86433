"""A log that nobody reads stops nobody."""

import fcntl
import io
import logging
import os
import resource
import select
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ingest.telemetry import log_output
from ingest.telemetry.log_output import WAITING_BYTES, LogOutput

LINE = "x" * 999


class Pipe:
    """A pipe of one page, and an output that writes to it."""

    def __init__(self, lowest: int = 0) -> None:
        """The output's descriptor is this one or a higher one."""
        self.reader, low = os.pipe()
        writer = fcntl.fcntl(low, fcntl.F_DUPFD, lowest)
        os.close(low)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, select.PIPE_BUF)
        self.stream = os.fdopen(writer, "w")
        self.output = LogOutput(self.stream, self.report)

    def report(self, lines: int) -> None:
        self.log(f"dropped {lines}")

    def log(self, text: str) -> None:
        record = logging.LogRecord("a", logging.INFO, "", 0, text, None, None)
        self.output.handle(record)

    def read(self, count: int) -> list[str]:
        """So many lines."""
        data = b""
        while data.count(b"\n") < count:
            data += os.read(self.reader, 65_536)
        return data.decode().splitlines()

    def empty(self) -> bool:
        poll = select.poll()
        poll.register(self.reader, select.POLLIN)
        return not poll.poll(0)


@contextmanager
def open_pipe(lowest: int = 0) -> Iterator[Pipe]:
    pipe = Pipe(lowest)
    yield pipe
    pipe.output.flush()
    os.close(pipe.reader)
    pipe.stream.close()


def test_lines_are_written_at_once_where_there_is_room() -> None:
    with open_pipe() as pipe:
        for number in range(3):
            pipe.log(f"{number}")
            assert pipe.read(1) == [f"{number}"]
        assert pipe.output._thread is None


def test_what_nobody_reads_waits_in_its_order() -> None:
    with open_pipe() as pipe:
        for number in range(50):
            pipe.log(f"{number} {LINE}")
        lines = pipe.read(50)
        assert [line.split()[0] for line in lines] == [str(number) for number in range(50)]
        assert pipe.output.dropped == 0


def test_what_is_too_much_is_dropped_and_told() -> None:
    with open_pipe() as pipe:
        count = 2 * WAITING_BYTES // len(LINE)
        for _ in range(count):
            pipe.log(LINE)
        dropped = pipe.output.dropped
        assert 0 < dropped < count
        *lines, last = pipe.read(count - dropped + 1)
        assert lines == [LINE] * (count - dropped)
        assert last == f"dropped {dropped}"
        pipe.log("after")
        assert pipe.read(1) == ["after"]
        assert pipe.output.dropped == dropped


def test_a_long_line_is_written_whole() -> None:
    with open_pipe() as pipe:
        pipe.log("y" * 100_000)
        pipe.log("after")
        assert pipe.read(2) == ["y" * 100_000, "after"]


def test_the_end_of_the_process_waits_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_output, "LAST_LINES_SECONDS", 0)
    with open_pipe() as pipe:
        for _ in range(50):
            pipe.log(LINE)
        pipe.output.flush()
        monkeypatch.setattr(log_output, "LAST_LINES_SECONDS", 3600)
        assert len(pipe.read(50)) == 50
        pipe.output.flush()
        assert pipe.empty()


def test_a_reader_that_has_gone_stops_nobody() -> None:
    pipe = Pipe()
    os.close(pipe.reader)
    for _ in range(3):
        pipe.log(LINE)
    assert pipe.output.dropped == 3
    pipe.stream.close()


@pytest.fixture
def many_files() -> Iterator[None]:
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


@pytest.mark.parametrize("lowest", [0, 1024], ids=["low", "beyond what select knows"])
@pytest.mark.usefixtures("many_files")
def test_a_pipe_that_another_process_made_non_blocking(lowest: int) -> None:
    with open_pipe(lowest) as pipe:
        os.set_blocking(pipe.stream.fileno(), False)
        for _ in range(50):
            pipe.log(LINE)
        assert pipe.read(50) == [LINE] * 50


def test_a_stream_in_memory() -> None:
    stream = io.StringIO()
    output = LogOutput(stream, lambda _: None)
    output.handle(logging.LogRecord("a", logging.INFO, "", 0, "größe", None, None))
    assert stream.getvalue() == "größe\n"

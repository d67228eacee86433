"""Writes log lines, and never waits for the one who reads them.

A pipe that nobody reads fills up, and a write to it would then stop the event loop. So a line is
written at once only if there is room. Otherwise it waits in a bounded queue for a thread that
writes it. Lines for which the queue has no room are dropped and counted, and the log says so once
it can be written again.
"""

import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TextIO

WAITING_BYTES: Final = 1_000_000
"""Maximum total size of the lines that wait for the thread."""

LAST_LINES_SECONDS: Final = 1.0
"""How long the end of the process waits for the lines that have not been written."""

_ROOM_BYTES: Final = select.PIPE_BUF
"""A pipe that is ready for writing takes so many bytes at once."""


class LogOutput(logging.Handler):
    """Writes log lines to a stream.

    Attributes:
        dropped: The number of lines dropped so far.
    """

    def __init__(self, stream: TextIO, report: Callable[[int], object]) -> None:
        """Write to a stream.

        Args:
            stream: Usually standard error. Tests may give a stream without a descriptor, which is
                written to directly.
            report: Logs that so many lines were dropped; called by the thread.
        """
        super().__init__()
        self.dropped = 0
        self._reported = 0
        self._stream = stream
        self._report = report
        self._descriptor = _descriptor(stream)
        # Not `select`, which refuses descriptors above 1,023.
        self._writable = select.poll()
        if self._descriptor is not None:
            self._writable.register(self._descriptor, select.POLLOUT)
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, let it wait for the thread, or drop it."""
        try:
            text = self.format(record) + "\n"
            if self._descriptor is None:
                self._stream.write(text)
                self._stream.flush()
            else:
                self._write(text.encode(errors="backslashreplace"))
        except Exception:
            self.handleError(record)

    def _write(self, line: bytes) -> None:
        with self._changed:
            if not self._waiting:
                line = self._written_at_once(line)
            if not line:
                return
            if self._bytes + len(line) > WAITING_BYTES:
                self.dropped += 1
                return
            self._waiting.append(line)
            self._bytes += len(line)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_waiting, daemon=True)
                self._thread.start()

    def _written_at_once(self, line: bytes) -> bytes:
        """Write a line if there is room for it.

        Returns:
            What could not be written.
        """
        if len(line) > _ROOM_BYTES:
            return line
        if not self._writable.poll(0):
            return line
        return line[self._put(line) :]

    def _put(self, data: bytes) -> int:
        """Write bytes, which may block; a stream that is broken takes, and loses, all of them."""
        assert self._descriptor is not None  # noqa: S101 - checked by `emit`
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            # Another process has made the pipe non-blocking.
            self._writable.poll()
            return 0
        except OSError:
            self.dropped += 1
            return len(data)

    def _write_waiting(self) -> None:
        """Write the waiting lines, as they come, forever."""
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.notify_all()
                    self._changed.wait()
                line = self._waiting[0]
            written = self._put(line)
            with self._changed:
                self._bytes -= written
                if written < len(line):
                    self._waiting[0] = line[written:]
                    continue
                self._waiting.popleft()
                dropped = self.dropped - self._reported
                last = not self._waiting
            if dropped and last:
                self._reported += dropped
                self._report(dropped)

    def flush(self) -> None:
        """Wait for the lines that have not been written, for a limited time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, LAST_LINES_SECONDS)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # not a file; it is in memory
        return None

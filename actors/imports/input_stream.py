"""The content of an import's files, read off the event loop."""

from collections.abc import AsyncGenerator

import trio

from actors.imports.source import InputFiles, SourceError


class InputStream:
    """Reads files in threads, and measures the speed.

    Attributes:
        problem: Why the last reading has ended early; None if it has not.
    """

    def __init__(self, source: InputFiles) -> None:
        """Own the files until `close`."""
        self._source = source
        self._marked_at = trio.current_time()
        self._marked = 0
        self.problem: SourceError | None = None

    @property
    def total(self) -> int:
        """Bytes of all files, compressed as they are."""
        return self._source.total

    @property
    def done(self) -> int:
        """Bytes read so far, counted like `total`."""
        return min(self._source.done, self._source.total)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end, at the speed since the mark; None if that is not known."""
        done = self.done - self._marked
        if done <= 0:
            return None
        return (self.total - self.done) / done * (trio.current_time() - self._marked_at)

    def mark(self) -> None:
        """Measure the speed from here on."""
        self._marked_at, self._marked = trio.current_time(), self.done

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the content from the beginning; it ends early if a file cannot be read further."""
        self.problem = None
        await trio.to_thread.run_sync(self._source.rewind)
        self.mark()
        try:
            while piece := await trio.to_thread.run_sync(self._source.read, abandon_on_cancel=True):
                yield piece
        except SourceError as error:
            self.problem = error

    def close(self) -> None:
        """Close the file that is open."""
        self._source.close()

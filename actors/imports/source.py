"""The files of an import as one stream of lines."""

import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from ingest.past.formats import SAMPLE_LINES
from ingest.past.import_state import HEAD_BYTES
from ingest.past.json_array import JsonArrayLines, begins_array
from ingest.past.matomo import action_lines
from ingest.request.zstd import ZstdError, ZstdFile

CHUNK_BYTES: Final = 262_144
"""Read at a time: some thousand lines."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


class SourceError(Exception):
    """A file cannot be read, or not completely; the message names it."""


class InputFiles:
    """Reads files in order and decompresses them if needed. All calls block; use a thread.

    A JSON array becomes lines, one for each object, or for each action of Matomo's visits.

    Attributes:
        total: Bytes of all files at creation; for compressed files their compressed size.
        done: Bytes read so far, counted like `total`. May be looked at while a thread reads.
        head: The first `HEAD_BYTES` of the content, once `sample` has returned.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        """Open and identify the files.

        Args:
            paths: In the order in which they are read. gzip and zstd are detected by their first
                bytes.

        Raises:
            SourceError: One of them cannot be read.
        """
        self._paths = list(map(Path, paths))
        self._next = 0
        self._raw: IO[bytes] | None = None
        self._file: IO[bytes] | None = None
        self._array: JsonArrayLines | None = None
        self._at_start = True
        self._passed = 0
        self._last = b"\n"
        self.total = self.done = 0
        self.head = b""
        for path in self._paths:
            try:
                # It is read several times; and opening a pipe might wait without an end.
                if path.exists() and not (path.is_file() or path.is_dir()):
                    raise SourceError(f"{path}: not a file; standard input is -")
                with path.open("rb"):
                    self.total += path.stat().st_size
            except OSError as error:
                raise SourceError(f"{path}: {error.strerror}") from None

    def read(self) -> bytes:
        """The next chunk of the content; empty at the end.

        If a file does not end with a newline and another follows, a newline is added.

        Raises:
            SourceError: A file cannot be read any further.
        """
        while True:
            if self._file is None:
                if self._next == len(self._paths):
                    return b""
                self._open(self._paths[self._next])
                self._next += 1
                if self._last != b"\n":
                    self._last = b"\n"
                    return b"\n"
            assert self._file is not None  # noqa: S101 - it was opened above
            try:
                piece = self._file.read(CHUNK_BYTES)
            except (OSError, EOFError, zlib.error, ZstdError) as error:
                path = self._paths[self._next - 1]
                reason = getattr(error, "strerror", None) or "damaged, or its end is missing"
                raise SourceError(f"{path}: {reason}") from None
            assert self._raw is not None  # noqa: S101 - as above
            self.done = self._passed + self._raw.tell()
            lines = self._lines_of(piece)
            if lines:
                self._last = lines[-1:]
                return lines
            if not piece:
                self._close()

    def rewind(self) -> None:
        """Start again with the first file."""
        self._close()
        self._next, self._passed, self._last = 0, 0, b"\n"
        self.done = 0

    def sample(self) -> list[bytes]:
        """The first lines, without their newlines; rewinds.

        Raises:
            SourceError: No line can be read.
        """
        self.rewind()
        content = b""
        try:
            while len(content) < HEAD_BYTES or (
                content.count(b"\n") < SAMPLE_LINES and len(content) < 4 * CHUNK_BYTES
            ):
                piece = self.read()
                if not piece:
                    break
                content += piece
        except SourceError:
            if not content:
                raise
        finally:
            self.rewind()
        self.head = content[:HEAD_BYTES]
        return content.split(b"\n")[:SAMPLE_LINES]

    def close(self) -> None:
        """Close the file that is open."""
        self._close()

    def _lines_of(self, piece: bytes) -> bytes:
        """The lines of the next piece of a file; of an empty piece at its end."""
        if self._at_start:
            self._at_start = False
            self._array = JsonArrayLines(action_lines) if begins_array(piece) else None
        if self._array is None:
            return piece
        return self._array.feed(piece) if piece else self._array.end()

    def _open(self, path: Path) -> None:
        try:
            raw = path.open("rb")
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from None
        magic = raw.read(4)
        raw.seek(0)
        self._raw, self._at_start = raw, True
        if magic.startswith(_GZIP_MAGIC):
            self._file = io.BufferedReader(gzip.GzipFile(fileobj=raw), CHUNK_BYTES)
        elif magic == _ZSTD_MAGIC:
            self._file = io.BufferedReader(ZstdFile(raw), CHUNK_BYTES)
        else:
            self._file = raw

    def _close(self) -> None:
        if self._raw is not None:
            self._passed += self._raw.tell()
            self._raw.close()
        self._raw = self._file = None

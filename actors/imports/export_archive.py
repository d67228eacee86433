"""Reads a ZIP file of Plausible's export. All calls block; use a thread.

The file may come from strangers: sizes are limited, nothing is unpacked to disk, and no path in it
is used.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from ingest.past.plausible_export import ExportFile, export_file

MAGIC: Final = b"PK\x03\x04"

DIRECTORY_BYTES: Final = 1_048_576
"""Maximum size of the list of files, and of any other part that is read at once."""

CONTENT_BYTES: Final = 1_073_741_824
"""Maximum size of all files together when unpacked."""

CHUNK_BYTES: Final = 65_536
_ENCRYPTED: Final = 1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES: Final[tuple[Any, ...]] = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    UnicodeError,
)


class ArchiveError(Exception):
    """The file cannot be read, or has no export; the message is for the operator."""


class ExportArchive:
    """The export's files in a ZIP file.

    Attributes:
        files: The files, by name.
        left_out: Names of files that are not of an export, without those of operating systems.
    """

    def __init__(self, path: str) -> None:
        """Open the ZIP file.

        Raises:
            ArchiveError: It cannot be read, or has no file of an export.
        """
        self._path = Path(path)
        try:
            self._raw: IO[bytes] = _LimitedFile(str(self._path))
        except OSError as error:
            raise ArchiveError(f"{path}: {error.strerror}") from None
        try:
            self._zip = zipfile.ZipFile(self._raw)
        except (*_DAMAGES, OSError) as error:
            self._raw.close()
            raise self._damaged(error) from None
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._sizes: dict[str, int] = {}
        self.files: list[ExportFile] = []
        others = []
        for entry in self._zip.infolist():
            file = export_file(entry.filename)
            if file is None:
                others.append(entry.filename.rpartition("/")[2])
            elif file.name in self._entries:
                self.close()
                raise ArchiveError(f"{path}: has two files {file.name}")
            else:
                self._entries[file.name] = entry
                self.files.append(file)
        self.files.sort(key=lambda file: file.name)
        self.left_out = sorted(name for name in others if name and not name.startswith("."))
        if not self.files:
            self.close()
            raise ArchiveError(
                f"{path}: has no files of Plausible's export, such as "
                "imported_visitors_20250101_20251231.csv; unpack other exports first"
            )

    def read(self, file: ExportFile) -> Iterator[bytes]:
        """Yield the content of a file in pieces.

        Raises:
            ArchiveError: It cannot be read, or is too large.
        """
        entry = self._entries[file.name]
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
            raise ArchiveError(f"{self._path}: {file.name} is encrypted, or compressed unusually")
        try:
            with self._zip.open(entry) as content:
                read = 0
                while piece := content.read(CHUNK_BYTES):
                    read += len(piece)
                    self._sizes[file.name] = read
                    if sum(self._sizes.values()) > CONTENT_BYTES:
                        raise ArchiveError(
                            f"{self._path}: unpacks to more than {CONTENT_BYTES} bytes"
                        )
                    yield piece
        except (*_DAMAGES, OSError) as error:
            raise self._damaged(error) from None

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._raw.close()

    def _damaged(self, error: Exception) -> ArchiveError:
        reason = getattr(error, "strerror", None) or str(error) or "its end is missing"
        return ArchiveError(f"{self._path}: {reason}")


class _LimitedFile(io.FileIO):
    """A file from which not everything can be read at once.

    `zipfile` reads the list of files at once, by a size that the file claims.
    """

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = DIRECTORY_BYTES  # the last 64 KiB, in which the end of the list is looked for
        if size > DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its list of files is too long")
        return super().read(size)

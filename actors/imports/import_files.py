"""The directory with one state file for each import."""

from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path

import structlog

from actors.files.atomic import write_atomically
from ingest.past.import_state import (
    ImportState,
    SavedImport,
    parts_of,
    read_header,
    read_saved,
)

log = structlog.get_logger()

SUFFIX = ".import"


class ImportFiles:
    """Reads and writes the files. All calls block; call `load` and `save` in a thread."""

    def __init__(self, directory: Path) -> None:
        """Use a directory; it is made when the first import is saved.

        Args:
            directory: Where the files are.
        """
        self._directory = directory

    def states(self) -> Iterator[ImportState]:
        """The state of each import. Files that cannot be read are logged and skipped."""
        if not self._directory.is_dir():
            return
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            try:
                with path.open("rb") as file:
                    yield read_header(file.readline())[0]
            except (OSError, ValueError) as error:
                log.warning("state of an import cannot be used", file=path.name, error=str(error))

    def load(self, import_id: str) -> SavedImport:
        """Load one import.

        Raises:
            OSError: It cannot be read.
            ValueError: It is not an import, or of an unknown version.
        """
        return read_saved(self._path(import_id).read_bytes())

    def save(self, import_id: str, content: bytes) -> None:
        """Replace an import's file atomically, also if the power fails.

        Raises:
            OSError: It cannot be written; the old one is unchanged.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path(import_id), content, durable=True)

    def delete(self, import_id: str) -> None:
        """Delete an import's file."""
        self._path(import_id).unlink(missing_ok=True)

    def delete_old_salts(self, now: float, spared: Container[str] = ()) -> int:
        """Delete salts that are older than 48 hours, together with their sessions.

        Args:
            now: Unix seconds.
            spared: Ids of running imports, which delete their own salts.

        Returns:
            How many salts were deleted.
        """
        deleted = 0
        for state in list(self.states()):
            if state.id in spared or not state.salt_is_due(now):
                continue
            try:
                saved = self.load(state.id)
                forgotten = replace(saved, state=saved.state.without_salt(), visits=())
                self.save(state.id, b"".join(parts_of(forgotten)))
            except (OSError, ValueError) as error:
                log.error("salt of an import is not deleted", id=state.id, error=str(error))
            else:
                deleted += 1
        return deleted

    def _path(self, import_id: str) -> Path:
        return self._directory / f"{import_id}{SUFFIX}"

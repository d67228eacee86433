"""The directory with one state file for each import."""

import math
import secrets
from collections.abc import Iterator
from pathlib import Path

import structlog

from actors.files.atomic import write_atomically
from actors.imports.import_states import ImportStates
from ingest.past.formats import Format
from ingest.past.import_request import ImportRequest
from ingest.past.import_state import (
    ID_BYTES,
    ImportState,
    decode_state,
    encode_state,
    without_salt,
)
from ingest.sessions.salts import Salt, fresh_key

log = structlog.get_logger()

SUFFIX = ".import"


class ImportFiles(ImportStates):
    """Reads and writes the files. Ids and salts of imports are random."""

    def __init__(self, directory: Path) -> None:
        """Use a directory; it is made when the first import is saved.

        Args:
            directory: Where the files are.
        """
        self._directory = directory

    def new_id(self, request: ImportRequest, form: Format, head: bytes) -> str:
        """See `ImportStates.new_id`."""
        return secrets.token_hex(ID_BYTES)

    def new_salt(self, import_id: str, now: float) -> Salt:
        """See `ImportStates.new_salt`."""
        return Salt(fresh_key(), math.floor(now))

    def states(self) -> Iterator[ImportState]:
        """The state of each import. Files that cannot be read are logged and skipped."""
        if not self._directory.is_dir():
            return
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            try:
                with path.open("rb") as file:
                    yield decode_state(file.readline())
            except (OSError, ValueError) as error:
                log.warning("state of an import cannot be used", file=path.name, error=str(error))

    def save(self, state: ImportState) -> None:
        """Replace an import's file atomically, also if the power fails.

        Raises:
            OSError: It cannot be written; the old one is unchanged.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path(state), encode_state(state), durable=True)

    def delete_old_salts(self, now: float, spared: str | None = None) -> list[ImportState]:
        """See `ImportStates.delete_old_salts`."""
        deleted: list[ImportState] = []
        for state in list(self.states()):
            if state.id == spared or not state.salt_is_due(now):
                continue
            path = self._path(state)
            try:
                write_atomically(path, without_salt(path.read_bytes()), durable=True)
            except (OSError, ValueError) as error:
                log.error("salt of an import is not deleted", id=state.id, error=str(error))
            else:
                deleted.append(state)
        return deleted

    def _path(self, state: ImportState) -> Path:
        return self._directory / f"{state.id}{SUFFIX}"

"""What a server leaves in its state directory for the next one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from actors.files import write_atomically
from ingest.sessions.session import Session
from ingest.sessions.snapshot import read_snapshot, write_snapshot

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StateFiles:
    """What is kept in the state directory.

    Attributes:
        directory: `SLUICE_STATE_DIR`.
    """

    directory: Path

    @property
    def salts(self) -> Path:
        """The salts."""
        return self.directory / "salts.json"

    @property
    def sessions(self) -> Path:
        """The visits that were open at the last shutdown."""
        return self.directory / "sessions.jsonl"

    @property
    def dead_letters(self) -> Path:
        """The directory of dead letters."""
        return self.directory / "dead-letters"

    @property
    def server(self) -> Path:
        """How the command line reaches the running server."""
        return self.directory / "server.json"


def take_sessions(path: Path) -> Iterator[Session]:
    """The visits of the last process; its file is gone afterwards, since it grows stale at once."""
    try:
        with path.open("rb") as lines:
            yield from list(read_snapshot(lines))
    except FileNotFoundError:
        return
    except ValueError as error:
        log.error("open visits of the last process are lost", error=str(error))
    path.unlink(missing_ok=True)


def save_sessions(path: Path, sessions: Iterable[Session]) -> None:
    """Keep open visits for the next process.

    Raises:
        OSError: They cannot be written.
    """
    write_atomically(path, b"".join(write_snapshot(sessions)), durable=True)

"""What a server leaves in its state directory for the next one."""

from dataclasses import dataclass
from pathlib import Path


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
        """Open sessions, as versions with a journal of rows saved them."""
        return self.directory / "sessions.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The fold's state at one position of the log."""
        return self.directory / "checkpoint"

    @property
    def journal(self) -> Path:
        """The directory of the log."""
        return self.directory / "journal"

    @property
    def dead_letters(self) -> Path:
        """The directory of dead letters."""
        return self.directory / "dead-letters"

    @property
    def server(self) -> Path:
        """How the command line reaches the running server."""
        return self.directory / "server.json"

    @property
    def imports(self) -> Path:
        """The directory of imports of past events."""
        return self.directory / "imports"

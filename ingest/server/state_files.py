"""The files that a server keeps in its state directory."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateFiles:
    """Paths of the files in the state directory.

    Attributes:
        directory: `SLUICE_STATE_DIR`.
    """

    directory: Path

    @property
    def salts(self) -> Path:
        """The file of the salts."""
        return self.directory / "salts.json"

    @property
    def plausible(self) -> Path:
        """The file of what was last read in Plausible's PostgreSQL, if that is followed."""
        return self.directory / "plausible.json"

    @property
    def sessions(self) -> Path:
        """The file in which versions with a journal of rows saved open sessions."""
        return self.directory / "sessions.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The file of the checkpoint: the fold's state at one position of the log."""
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
        """The file from which the command line learns how to reach the running server."""
        return self.directory / "server.json"

    @property
    def cluster(self) -> Path:
        """The cluster record, in a front's directory; other processes have none."""
        return self.directory / "cluster.json"

    @property
    def server_id(self) -> Path:
        """The file of the directory's id, by which it is known in the store."""
        return self.directory / "server-id"

    @property
    def imports(self) -> Path:
        """The directory of imports of past events."""
        return self.directory / "imports"


def describe_failure(error: OSError) -> str:
    """Say in one sentence that the state directory cannot be used."""
    where = "" if error.filename is None else f": {error.filename}"
    return f"SLUICE_STATE_DIR: {error.strerror or error}{where}"

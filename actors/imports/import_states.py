"""How far each import is, as earlier processes have noted it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from ingest.past.formats import Format
from ingest.past.import_request import ImportRequest
from ingest.past.import_state import ImportState
from ingest.sessions.salts import Salt


class ImportStates(ABC):
    """Keeps the states. Calls block, except for new ids and salts: call them in trio's threads."""

    @abstractmethod
    def new_id(self, request: ImportRequest, form: Format, head: bytes) -> str:
        """An id for an import that is none of `states`.

        Args:
            request: What to import.
            form: Its format.
            head: The beginning of its content, as in `InputFiles`.
        """

    @abstractmethod
    def new_salt(self, import_id: str, now: float) -> Salt:
        """A salt for an import, which must be deleted after 48 hours.

        Args:
            import_id: Id of the import.
            now: Unix seconds.
        """

    @abstractmethod
    def states(self) -> Iterator[ImportState]:
        """The state of each import. Those that cannot be read are logged and skipped."""

    @abstractmethod
    def save(self, state: ImportState) -> None:
        """Replace the state of an import; it survives the process.

        Raises:
            OSError: It cannot be written; the old one is unchanged.
        """

    @abstractmethod
    def delete_old_salts(self, now: float, spared: str | None = None) -> Sequence[ImportState]:
        """Delete salts that are older than 48 hours.

        Args:
            now: Unix seconds.
            spared: Id of the running import, which deletes its own salt.

        Returns:
            The imports whose salts were deleted.
        """

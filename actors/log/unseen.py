"""Written runs that readers cannot see yet."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from actors.log.log import LogPoint
from ingest.records.run import Run


@dataclass(slots=True, eq=False)
class Appended:
    """A written run.

    Attributes:
        run: The run.
        end: The point after it.
        size: Its bytes.
        told: Whether an `append` reports that it is kept.
        returned: Whether its `append` has returned or was cancelled, or there was none.
    """

    run: Run
    end: LogPoint
    size: int
    told: bool = True
    returned: bool = False


class Unseen:
    """The runs become visible in order of their positions, each once its `append` has returned."""

    def __init__(self) -> None:
        """Start empty."""
        self._runs: deque[Appended] = deque()

    def add(self, appended: Appended) -> None:
        """Add a run."""
        self._runs.append(appended)

    def take(self, synced: LogPoint | None) -> Iterator[Appended]:
        """Remove and return the runs that become visible now.

        Args:
            synced: Runs reported as kept must end before this point; None if they need not be
                synced.
        """
        runs = self._runs
        while runs and runs[0].returned:
            if synced is not None and runs[0].told and runs[0].end > synced:
                return
            yield runs.popleft()

    def drop(self, synced: LogPoint) -> None:
        """Forget the runs that will never be synced."""
        while self._runs and self._runs[-1].end > synced:
            self._runs.pop()

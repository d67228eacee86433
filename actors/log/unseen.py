"""Runs that are written and that readers do not see yet."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from actors.log.log import LogPoint
from ingest.records.run import Run


@dataclass(slots=True, eq=False)
class Appended:
    """A run that was written.

    Attributes:
        run: The run.
        end: Behind it.
        size: Its bytes.
        told: Whether somebody is told that it is kept.
        returned: Whether its `append` has returned, or was cancelled, or there was none.
    """

    run: Run
    end: LogPoint
    size: int
    told: bool = True
    returned: bool = False


class Unseen:
    """They are shown in order of their positions, each once its `append` has returned."""

    def __init__(self) -> None:
        """Start empty."""
        self._runs: deque[Appended] = deque()

    def add(self, appended: Appended) -> None:
        """Add a run behind the others."""
        self._runs.append(appended)

    def take(self, synced: LogPoint | None) -> Iterator[Appended]:
        """Those that may be shown now; they are not unseen any more.

        Args:
            synced: What is told of is to be before this point; None when it need not be synced.
        """
        runs = self._runs
        while runs and runs[0].returned:
            if synced is not None and runs[0].told and runs[0].end > synced:
                return
            yield runs.popleft()

    def drop(self, synced: LogPoint) -> None:
        """Forget those that are not synced, and never will be."""
        while self._runs and self._runs[-1].end > synced:
            self._runs.pop()

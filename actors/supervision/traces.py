"""The interface through which actors report spans; used only if traces are enabled."""

from typing import Literal, Protocol

from ingest.rows.batch import Insert, Trigger

Outcome = Literal["stored", "unavailable", "refused"]
"""The result of an insert attempt; `unavailable` attempts are retried."""


class Tracing(Protocol):
    """Called between two checkpoints: must not block, raise, or wait."""

    def inserted(
        self, insert: Insert, trigger: Trigger | None, outcome: Outcome, seconds: float
    ) -> None:
        """An attempt to insert has ended.

        Args:
            insert: The insert.
            trigger: Why its batch was flushed; None if it belongs to no batch.
            outcome: The result.
            seconds: How long it took.
        """

    def restarted(self, actor: str) -> None:
        """An actor has failed and is being restarted."""

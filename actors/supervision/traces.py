"""What actors tell whoever traces them; nobody does unless an operator asks for it."""

from typing import Literal, Protocol

from ingest.rows.batch import Insert

Outcome = Literal["stored", "unavailable", "refused"]
"""What became of an attempt to insert; `unavailable` ones are tried again."""


class Tracing(Protocol):
    """Called between two checkpoints: must not block, raise, or wait."""

    def inserted(self, insert: Insert, outcome: Outcome, seconds: float) -> None:
        """An attempt to insert has ended, after that many seconds."""

    def restarted(self, actor: str) -> None:
        """An actor has failed and is being restarted."""

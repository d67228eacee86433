"""Decides what the answers of a front wait for: Kafka, or only the disk."""

from typing import Final, Literal

import structlog

from actors.pipeline.sessions import FoldVerdicts

log = structlog.get_logger()

AWAY_SECONDS: Final = 2.0
"""How long Kafka may take to acknowledge a record before it counts as away."""

BACK_SECONDS: Final = 1.0
"""How long it may take when it counts as back."""

Acknowledgement = Literal["engine", "journal"]
Outage = Literal["journal", "refuse"]


class Acknowledging:
    """Knows whether Kafka answers, and lets events wait for it only while it does.

    Attributes:
        away: Whether Kafka does not answer.
        waits: Whether events wait for Kafka before they are answered.
    """

    def __init__(self, verdicts: FoldVerdicts, ack: Acknowledgement, outage: Outage) -> None:
        """Start without events that wait.

        Args:
            verdicts: Answers the events. It must not accept them from the disk if they are to be
                refused while Kafka is away.
            ack: What an answer waits for (`SLUICE_ACK`).
            outage: What to do while Kafka is away and answers wait for it (`SLUICE_ACK_OUTAGE`).
        """
        self.away = self.waits = False
        self._verdicts = verdicts
        self._ack = ack
        self._outage = outage
        self._proved = False

    @property
    def accepting(self) -> bool:
        """Whether new events may be appended; otherwise they are to be refused."""
        return self.waits or self._ack == "journal" or self._outage == "journal"

    def begin(self) -> None:
        """A new producer starts; what the earlier one had sent proves nothing for it."""
        self._proved = False

    def acknowledged(self, end: int) -> None:
        """Kafka has everything before a position."""
        self._verdicts.folded(end, {})

    def prove(self) -> None:
        """Kafka has acknowledged a message."""
        self._proved = True

    def beat(self, wait: float, *, caught_up: bool, backlog: int) -> None:
        """Look whether Kafka answers.

        Args:
            wait: For how long the oldest record that is not acknowledged has waited, in seconds; 0
                if there is none.
            caught_up: Whether all records were sent, or were a moment ago.
            backlog: Number of events that are not acknowledged.
        """
        if wait >= AWAY_SECONDS:
            if not self.away:
                log.error("Kafka does not answer", backlog_events=backlog)
            self.away, self._proved = True, False
            self.pause()
        elif caught_up and (wait == 0 or (self._proved and wait < BACK_SECONDS)):
            if self.away:
                log.info("Kafka answers again", backlog_events=backlog)
            self.away = False
            self._resume()

    def pause(self) -> None:
        """Let events no longer wait for Kafka."""
        if self.waits:
            self.waits = False
            self._verdicts.fold_waits()

    def _resume(self) -> None:
        if self._ack == "engine" and not self.waits:
            self.waits = True
            self._verdicts.fold_reads()

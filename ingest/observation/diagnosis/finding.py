"""A finding: a problem in words, and what to do about it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

STORE: Final = "store"
SESSIONS: Final = "sessions"
LETTERS: Final = "dead letters"
KAFKA: Final = "Kafka"
CLUSTER: Final = "cluster"
"""Parts that findings concern, where more than one place names them."""


class Severity(IntEnum):
    """How severe a finding is; greater is worse."""

    NOTE = 0
    """Events are accepted and stored; for information."""
    DEGRADED = 1
    """Events are accepted and kept, but there is a problem."""
    DOWN = 2
    """Events are not accepted."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A finding.

    Attributes:
        severity: How bad it is.
        part: The part concerned, one word.
        what: The problem, in one sentence.
        advice: What to do, in one sentence.
        commands: Commands that do it.
    """

    severity: Severity
    part: str
    what: str
    advice: str
    commands: tuple[str, ...] = ()

"""The progress file of a journal of rows, as versions up to 0.1 wrote it."""

import struct
from dataclasses import dataclass
from typing import Any, Final

from actors.log.slot_file import SlotFile

PROGRESS: Final = "progress"
"""The file's name in the journal's directory."""

PLANS: Final = 16
"""Maximum number of batches that were planned and not yet stored."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of a journal's events are stored.

    Attributes:
        journal_id: Id of the journal; 64 bits.
        stored: Position after the last event whose rows the store has acknowledged.
        planned: Ends of the batches beyond `stored` that the store may have, ascending. They are
            cut at the same positions again, so that the store recognises them.
    """

    journal_id: int
    stored: int = 0
    planned: tuple[int, ...] = ()


class ProgressFile(SlotFile[Progress]):
    """The progress file of a journal."""

    magic = b"SLUICEP1"
    fields = struct.Struct(f"<QQI{PLANS}Q")

    @staticmethod
    def pack(content: Progress) -> tuple[int, ...]:
        """Return the values of the fields.

        Raises:
            ValueError: More than `PLANS` batches are planned.
        """
        unused = PLANS - len(content.planned)
        if unused < 0:
            raise ValueError("too many planned batches")
        plans = (*content.planned, *[0] * unused)
        return content.journal_id, content.stored, len(content.planned), *plans

    @staticmethod
    def unpack(values: tuple[Any, ...]) -> Progress:
        """Return the progress that `pack` turned into these values."""
        journal_id, stored, plans, *ends = values
        return Progress(journal_id, stored, tuple(ends[:plans]))

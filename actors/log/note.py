"""The state of a log beside its records, in a file that is overwritten in place."""

import struct
from dataclasses import dataclass
from typing import Any, Final

from actors.log.log import LogPoint
from actors.log.slot_file import SlotFile

NOTE: Final = "note"
"""The file's name in the log's directory."""


@dataclass(frozen=True, slots=True)
class Note:
    """The state of a log beside its records.

    Attributes:
        log_id: Id of the log; 64 bits.
        source_id: Id of the process that uses the log, or used it last; 64 bits.
        committed: All records before this point are stored.
        prepared: End of the batch that the store may have; None if there is none.
        synced: All records before this point were as durable as the setting demands.
        clean: Whether the log was closed without an earlier failure.
    """

    log_id: int
    source_id: int
    committed: LogPoint
    prepared: LogPoint | None
    synced: LogPoint
    clean: bool = False


class NoteFile(SlotFile[Note]):
    """The file of a log's note."""

    magic = b"SLUICEN1"
    fields = struct.Struct("<QQ QQ QQ QQ ??")

    @staticmethod
    def pack(content: Note) -> tuple[int, ...]:
        """Return the values of the fields."""
        return (
            content.log_id,
            content.source_id,
            *content.committed,
            *(content.prepared or (0, 0)),
            *content.synced,
            content.prepared is not None,
            content.clean,
        )

    @staticmethod
    def unpack(values: tuple[Any, ...]) -> Note:
        """Return the note that `pack` turned into these values."""
        log_id, source_id, *numbers, prepared, clean = values
        committed, end, synced = (LogPoint(*numbers[at : at + 2]) for at in (0, 2, 4))
        return Note(log_id, source_id, committed, end if prepared else None, synced, clean)

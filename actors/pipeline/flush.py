"""The message to the writer."""

from dataclasses import dataclass, field

import trio

from actors.log.lease import Lease
from ingest.rows.batch import Insert, Trigger


@dataclass(frozen=True, slots=True, eq=False)
class Flush:
    """Inserts that belong together, and the event that tells their sender when they are stored.

    Attributes:
        inserts: In the order in which they are stored.
        trigger: Why their batch was flushed; None if they belong to no batch.
        kept: Whether the sender keeps the rows until they are stored, so that a shutdown need not
            write them to disk.
        letter: Id of the letter of its only insert; None if it comes from no letter.
        lease: Asked before each attempt to store rows; None if no other process can store them.
        stored: Set when all rows are in the store, or in dead letters.
    """

    inserts: tuple[Insert, ...]
    trigger: Trigger | None = None
    kept: bool = True
    letter: str | None = None
    lease: Lease | None = None
    stored: trio.Event = field(default_factory=trio.Event)

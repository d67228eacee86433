"""What is handed to the writer at once."""

from dataclasses import dataclass, field

import trio

from ingest.rows.batch import Insert, Trigger


@dataclass(frozen=True, slots=True, eq=False)
class Flush:
    """Inserts that belong together, and the sender that waits for them.

    Attributes:
        inserts: In the order in which they are stored.
        trigger: Why the batch that they are of was flushed; None when they are of none.
        kept: Whether the sender keeps the rows until they are stored, so that a shutdown need not.
        letter: Id of the letter that its only insert is of; None when it is of none.
        stored: Set when all rows are in the store, or in dead letters.
    """

    inserts: tuple[Insert, ...]
    trigger: Trigger | None = None
    kept: bool = True
    letter: str | None = None
    stored: trio.Event = field(default_factory=trio.Event)

"""Letters and marks that wait until they are in the letters topic."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import trio

from actors.letters.letter_queue import Told


@dataclass(eq=False, slots=True)
class WaitingRecord:
    """A record to be sent.

    Attributes:
        id: Of the letter.
        frames: Its content.
        size: Approximate size of the letter in bytes; 0 for a mark.
        told: Callbacks to notify.
        over: Whether it is in the topic or given up.
    """

    id: str
    frames: Callable[[], Iterator[bytes]]
    size: int
    told: list[Told] = field(default_factory=list)
    over: bool = False


class WaitingLetters:
    """The records that wait, in order.

    Attributes:
        letters: The letters among them, by id.
        bytes: Approximate size of these letters.
    """

    def __init__(self) -> None:
        """Start without records."""
        self.letters: dict[str, WaitingRecord] = {}
        self.bytes = 0
        self._queue: deque[WaitingRecord] = deque()
        self._changed = trio.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def put_letter(self, record: WaitingRecord) -> None:
        """Add a letter."""
        self.letters[record.id] = record
        self.bytes += record.size
        self.put_mark(record)

    def put_mark(self, record: WaitingRecord) -> None:
        """Add a mark, which takes no room."""
        self._queue.append(record)
        self._wake()

    async def first(self) -> WaitingRecord:
        """Wait for a record, and return the first one. It stays until it is settled."""
        while not self._queue:
            await self._changed.wait()
        return self._queue[0]

    def settle(self, kept: bool) -> None:
        """Remove the first record, and call its callbacks.

        Args:
            kept: Whether the topic has it; otherwise it is given up.
        """
        record = self._queue.popleft()
        if self.letters.get(record.id) is record:
            del self.letters[record.id]
            self.bytes -= record.size
        record.over = True
        for told in record.told:
            told(kept)
        self._wake()

    async def settled(self) -> None:
        """Wait until all records that wait now are settled."""
        for record in list(self._queue):
            while not record.over:
                await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

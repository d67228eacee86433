"""Who waits to hear that a flush is stored."""

import trio


class Receipts:
    """Told by the writer, asked by those who keep a flush's rows until they are stored.

    Who no longer waits need not say so: a receipt that nobody expects is thrown away.
    """

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._expected: dict[str, trio.Event] = {}

    def __len__(self) -> int:
        return len(self._expected)

    def expect(self, receipt: str) -> trio.Event:
        """Wait for a flush.

        Args:
            receipt: That of all of its inserts.

        Returns:
            Set when all of them are stored, or kept as dead letters.
        """
        event = trio.Event()
        self._expected[receipt] = event
        return event

    def give(self, receipt: str) -> None:
        """Tell that a flush is stored."""
        event = self._expected.pop(receipt, None)
        if event is not None:
            event.set()

    def forget(self, receipt: str) -> None:
        """Wait no longer."""
        self._expected.pop(receipt, None)

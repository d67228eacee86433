"""The right to store the rows of a log that several processes can read."""

from typing import Protocol


class Lease(Protocol):
    """The right to store the rows of a partition, which another process may take over."""

    async def hold(self) -> bool:
        """Make sure that the right has not ended; waits until this is known.

        Returns:
            False if the rows must not be stored, because the partition is read anew or by another
            process.
        """

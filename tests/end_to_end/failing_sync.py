"""`python -m tests.end_to_end.failing_sync`: `sluice serve` on a disk that fails after SIGUSR1.

From then on no sync of a file succeeds, as the system reports it for a disk that has lost a write.
"""

import errno
import os
import signal
import sys
from types import FrameType

from ingest.cli import main


def fail(descriptor: int) -> None:
    """Stands for a sync."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def break_disk(number: int, frame: FrameType | None) -> None:
    """Handle the signal."""
    os.fsync = os.fdatasync = fail  # type: ignore[assignment]


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, break_disk)
    sys.argv = ["sluice", "serve"]
    main()

"""`python -m tests.end_to_end.failing_sync`: `sluice serve` on a disk that fails after SIGUSR1.

After the signal, each sync of a file fails with the system's error for a disk with a lost write.
"""

import errno
import os
import signal
import sys
from types import FrameType

from ingest.cli import main


def fail(descriptor: int) -> None:
    """Fail in place of a sync."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def break_disk(number: int, frame: FrameType | None) -> None:
    """Handle the signal."""
    os.fsync = os.fdatasync = fail  # type: ignore[assignment]


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, break_disk)
    sys.argv = ["sluice", "serve"]
    main()

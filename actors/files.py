"""State files: written whole or not at all, readable by their owner only."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

OWNER_ONLY = 0o600


class StateDirectoryBusyError(RuntimeError):
    """Another process uses the state directory."""


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace a file's content so that a reader, or a crash, finds the old or the new one.

    Args:
        path: The file; made with mode 0600.
        data: Its new content.
        durable: Whether to have the content on the disk before the name changes.

    Raises:
        OSError: It cannot be written; the old content is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with open(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def locked_directory(directory: Path) -> Iterator[None]:
    """Keep other processes from using the same state directory, which is made when absent.

    Raises:
        StateDirectoryBusyError: Another process holds it.
        OSError: It cannot be made or written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, OWNER_ONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateDirectoryBusyError(
                f"another process uses the state directory {directory}"
            ) from None
        yield
    finally:
        os.close(descriptor)

"""Atomic writes of state files and of files that an operator edits."""

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

OWNER_ONLY = 0o600
NEW_FILE = 0o666
"""Mode of a new file that an operator edits, before the process's umask is applied."""


_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class StateDirectoryBusyError(RuntimeError):
    """Another process uses the state directory."""


class FileChangedError(RuntimeError):
    """The file was changed by somebody else during the edit."""


def write_state(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace a small file's content: atomically if there is room, in place on a full disk.

    In practice, a crash during a write in place also leaves the old or the new content, because
    both fit into one disk block. The system does not guarantee this.

    Args:
        path: As for `write_atomically`.
        data: As above; less than a block.
        durable: As above.

    Raises:
        OSError: It cannot be written; the old content is unchanged.
    """
    try:
        write_atomically(path, data, durable=durable)
    except OSError as error:
        if not (is_full(error) and path.exists()):
            raise
        _overwrite(path, data)


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace a file's content so that readers find the old or the new content, also after a crash.

    Args:
        path: The file; created with mode 0600.
        data: Its new content.
        durable: Whether to sync the content before the rename, and the rename before this returns.

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
        if durable:
            sync_directory(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def is_full(error: OSError) -> bool:
    """Whether an error means that the disk or the quota is full, which is temporary."""
    return error.errno in _NO_ROOM


def _overwrite(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """Sync a directory, so that its current names survive a power failure.

    Raises:
        OSError: The sync failed; recent changes of names may not be durable.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked_directory(directory: Path) -> Iterator[None]:
    """Prevent other processes from using the same state directory; create it if absent.

    Raises:
        StateDirectoryBusyError: Another process holds it.
        OSError: It cannot be created or written.
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


def edit_file(path: Path, edit: Callable[[bytes], bytes]) -> bool:
    """Replace the content of a file that an operator edits by the result of `edit`.

    Readers find the old or the new content. The file keeps its mode and, if this process may set
    them, its owner and group. If the path is a symbolic link, its target is replaced. Concurrent
    calls of this function wait for each other. Changes by editors without the lock are detected,
    unless they write at the moment of the replacement.

    Args:
        path: The file. A missing file counts as empty and is created if the new content is not
            empty.
        edit: Returns the new content. If it raises, the file is unchanged.

    Returns:
        Whether the content has changed.

    Raises:
        FileChangedError: The file has changed while `edit` ran; nothing was written.
        OSError: It cannot be read or written; nothing was written.
    """
    target = path.resolve()
    # The directory is locked, because a lock on the file would stay with the replaced file.
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before = _status(target)
        content = b"" if before is None else target.read_bytes()
        edited = edit(content)
        if edited == content:
            return False
        _replace(target, edited, before)
        return True
    finally:
        os.close(descriptor)


def _replace(target: Path, content: bytes, before: os.stat_result | None) -> None:
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with open(number, "wb") as file:
            file.write(content)
            _dress(file.fileno(), before)
            file.flush()
            os.fsync(file.fileno())
        if _stamp(_status(target)) != _stamp(before):
            raise FileChangedError(f"{target} was changed by somebody else at the same time")
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _dress(descriptor: int, like: os.stat_result | None) -> None:
    """Give a new file the owner and the mode of the file that it replaces."""
    if like is None:
        os.fchmod(descriptor, NEW_FILE & ~_umask())
        return
    for owner in (like.st_uid, -1):
        # Without the right to change the owner, the group may still be set to one of our own.
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner, like.st_gid)
            break
    # After the owner, because a change of owner may clear mode bits.
    os.fchmod(descriptor, like.st_mode & 0o7777)


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _stamp(status: os.stat_result | None) -> tuple[int, int, int] | None:
    return None if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)

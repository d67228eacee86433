"""Files that are written whole or not at all: the state files, and those an operator edits, too."""

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
"""Mode of a new file that an operator edits, less what the process's umask takes away."""


_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class StateDirectoryBusyError(RuntimeError):
    """Another process uses the state directory."""


class FileChangedError(RuntimeError):
    """Somebody else has changed the file that was being edited."""


def write_state(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace a small file's content, atomically if there is room, in place on a full disk.

    Within one block of the disk, a crash leaves the old content or the new one in practice, too,
    but nobody promises it.

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
    """Replace a file's content so that a reader, or a crash, finds the old or the new one.

    Args:
        path: The file; made with mode 0600.
        data: Its new content.
        durable: Whether to have the content on the disk before the name changes, and the name
            before this returns.

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
    """Whether an error says that the disk, or the quota, is full: that passes."""
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
    """Have the names in a directory on the disk: after a loss of power they are those of now.

    Raises:
        OSError: Nobody knows whether they would be.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def edit_file(path: Path, edit: Callable[[bytes], bytes]) -> bool:
    """Replace the content of a file that an operator edits by what `edit` makes of it.

    A reader finds the old content or the new one. The file keeps its mode and, as far as this
    process may set them, its owner and group; where the path is a symbolic link, what it points to
    is replaced. Others that use this function wait for each other. An editor that knows nothing of
    the lock is noticed, unless it writes in the very moment in which the new content is put in
    place.

    Args:
        path: The file; one that is not there counts as empty, and is made when it is to be more.
        edit: Returns the new content; what it raises leaves the file as it is.

    Returns:
        Whether the content has changed.

    Raises:
        FileChangedError: The file has changed while `edit` ran; nothing was written.
        OSError: It cannot be read or written; nothing was written.
    """
    target = path.resolve()
    # The directory is locked: a lock on the file would stay with the file that is replaced.
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
    """Give a new file the owner and the mode of the one that it replaces."""
    if like is None:
        os.fchmod(descriptor, NEW_FILE & ~_umask())
        return
    for owner in (like.st_uid, -1):
        # Who may not give the file away may still give it to a group that they are in.
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner, like.st_gid)
            break
    # Behind the owner: a change of owner may take bits away.
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

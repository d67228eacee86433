"""A small disk for the state directory, which can be filled to the last byte."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

MEGABYTES: Final = 96
BALLAST: Final = "ballast"
_CHUNK: Final = b"\0" * 65536


class SmallDisk:
    """A file system in memory, mounted on a directory."""

    def __init__(self, directory: Path) -> None:
        """Mount the file system.

        Raises:
            OSError: Mounting is not permitted.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        mount = shutil.which("mount")
        if mount is None:
            raise OSError("there is no mount command")
        result = subprocess.run(
            [mount, "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=700", "tmpfs", str(directory)],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise OSError(result.stderr.strip() or "mount failed")

    def fill(self) -> None:
        """Fill all free space."""
        descriptor = os.open(self.directory / BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            # Also fill space that is freed meanwhile, down to the last page.
            with contextlib.suppress(OSError):
                while True:
                    os.write(descriptor, _CHUNK)
            with contextlib.suppress(OSError):
                while True:
                    os.write(descriptor, _CHUNK[:4096])
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Free the space."""
        (self.directory / BALLAST).unlink(missing_ok=True)

    def unmount(self, keep_in: Path | None = None) -> None:
        """Unmount the file system.

        Args:
            keep_in: Directory to which its content is copied before; None to discard it.
        """
        self.free()
        if keep_in is not None:
            shutil.copytree(self.directory, keep_in, dirs_exist_ok=True)
        umount = shutil.which("umount") or "umount"
        subprocess.run([umount, "--lazy", str(self.directory)], check=False)

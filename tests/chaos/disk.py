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
        """Mount it.

        Raises:
            OSError: That is not permitted here.
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
        """Leave no room."""
        descriptor = os.open(self.directory / BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            # What is deleted or cut off meanwhile is taken, too, down to the last page.
            with contextlib.suppress(OSError):
                while True:
                    os.write(descriptor, _CHUNK)
            with contextlib.suppress(OSError):
                while True:
                    os.write(descriptor, _CHUNK[:4096])
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give the room back."""
        (self.directory / BALLAST).unlink(missing_ok=True)

    def unmount(self, keep_in: Path | None = None) -> None:
        """Take it away.

        Args:
            keep_in: Where its content is copied before; None to let it go.
        """
        self.free()
        if keep_in is not None:
            shutil.copytree(self.directory, keep_in, dirs_exist_ok=True)
        umount = shutil.which("umount") or "umount"
        subprocess.run([umount, "--lazy", str(self.directory)], check=False)

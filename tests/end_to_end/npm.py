"""Packages of the npm registry for tests, each with a fixed version and checksum."""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a package.

    Attributes:
        name: Name with its scope.
        version: The version.
        integrity: Checksum of its archive, as in the registry and in lock files: `sha512-…`.
    """

    name: str
    version: str
    integrity: str

    @property
    def archive(self) -> str:
        """The file name of its archive."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def unpack(package: Package, directory: Path, archives: Path) -> None:
    """Download a package with npm and unpack it to a directory, once.

    Args:
        package: The package.
        directory: Directory for its files. If it exists, nothing is done.
        archives: Directory for its archive.

    Raises:
        RuntimeError: npm is missing or fails, or the archive has a wrong checksum.
    """
    if directory.exists():
        return
    archives.mkdir(parents=True, exist_ok=True)
    archive = archives / package.archive
    if not archive.exists():
        _pack(package, archive)
    _verify(package, archive)
    # Unpack to a temporary directory and rename it, so that the result is always complete, even if
    # other processes unpack it as well.
    partial = archives / f"unpacking-{os.getpid()}"
    try:
        with tarfile.open(archive) as content:
            # Python has filters since 3.11.4. Without them, the checksum ensures a safe archive.
            content.extraction_filter = getattr(tarfile, "data_filter", None)
            content.extractall(partial)  # noqa: S202
        directory.parent.mkdir(parents=True, exist_ok=True)
        (partial / "package").rename(directory)
    except OSError:
        if not directory.exists():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _pack(package: Package, archive: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"npm is needed to fetch {package.name}: apt-get install npm")
    aside = archive.parent / f"fetching-{os.getpid()}"
    aside.mkdir()
    try:
        result = subprocess.run(
            [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(aside)],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise RuntimeError(f"npm could not fetch {package.name}:\n{result.stderr[-2000:]}")
        next(aside.glob("*.tgz")).rename(archive)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _verify(package: Package, archive: Path) -> None:
    with archive.open("rb") as content:
        digest = hashlib.file_digest(content, "sha512").digest()
    if f"sha512-{base64.b64encode(digest).decode()}" != package.integrity:
        archive.unlink()
        raise RuntimeError(f"what came as {package.name} {package.version} has another checksum")

"""Packages of the npm registry that tests need: one version of each, known by its checksum."""

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
        name: With its scope.
        version: The version.
        integrity: Checksum of its archive, as the registry and lock files write it: `sha512-…`.
    """

    name: str
    version: str
    integrity: str

    @property
    def archive(self) -> str:
        """The name of its archive."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def unpack(package: Package, directory: Path, archives: Path) -> None:
    """Have a package's files in a directory; fetched with npm and unpacked once.

    Args:
        package: The package.
        directory: For its files. If it is there, nothing is done.
        archives: Where its archive is kept.

    Raises:
        RuntimeError: npm is missing or fails, or the archive is not the one that was tested.
    """
    if directory.exists():
        return
    archives.mkdir(parents=True, exist_ok=True)
    archive = archives / package.archive
    if not archive.exists():
        _pack(package, archive)
    _verify(package, archive)
    # Unpacked aside and renamed, so that what is there is whole, whoever else unpacks it.
    partial = archives / f"unpacking-{os.getpid()}"
    try:
        with tarfile.open(archive) as content:
            # Python knows filters from 3.11.4 on; the checksum vouches for what is in it anyway.
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

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tests.end_to_end.npm import Package, unpack


def an_archive(directory: Path) -> tuple[Path, str]:
    """Create an npm package with one file; return it and its checksum."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/lib/index.js")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"1+1"))
    path = directory / "packed.tgz"
    path.write_bytes(content.getvalue())
    digest = hashlib.sha512(content.getvalue()).digest()
    return path, "sha512-" + base64.b64encode(digest).decode()


def an_npm(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create a program in place of npm; its fifth argument is the directory of archives."""
    npm = directory / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


def test_a_package_is_fetched_and_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, integrity = an_archive(tmp_path)
    package = Package("@scope/name", "1.2.3", integrity)
    an_npm(tmp_path, f'test "$2" = @scope/name@1.2.3 && cp {packed} "$4/x.tgz"', monkeypatch)
    archives, directory = tmp_path / "archives", tmp_path / "node_modules" / "@scope" / "name"
    unpack(package, directory, archives)
    assert (directory / "lib" / "index.js").read_text() == "1+1"
    assert [path.name for path in archives.iterdir()] == ["scope-name-1.2.3.tgz"]
    an_npm(tmp_path, "exit 1", monkeypatch)
    unpack(package, directory, archives)
    again = tmp_path / "again"
    unpack(package, again, archives)
    assert (again / "lib" / "index.js").exists()


def test_what_has_another_checksum_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, _ = an_archive(tmp_path)
    an_npm(tmp_path, f'cp {packed} "$4/x.tgz"', monkeypatch)
    package = Package("name", "1.0.0", "sha512-other")
    archives = tmp_path / "archives"
    with pytest.raises(RuntimeError, match=r"name 1\.0\.0 has another checksum"):
        unpack(package, tmp_path / "name", archives)
    assert not (tmp_path / "name").exists()
    assert list(archives.iterdir()) == []

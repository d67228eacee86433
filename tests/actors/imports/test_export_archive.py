import io
import struct
import tracemalloc
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from actors.imports import export_archive
from actors.imports.export_archive import ArchiveError, ExportArchive
from tests.ingest.past.export_files import FILES, VISITORS, pack


def contents(archive: ExportArchive) -> dict[str, bytes]:
    return {file.name: b"".join(archive.read(file)) for file in archive.files}


@pytest.mark.parametrize("folder", ["", "export/", "../../../tmp/", "/etc/"])
def test_the_files_of_an_export(tmp_path: Path, folder: str) -> None:
    others = {"notes.txt": b"x", "._" + VISITORS: b"x", "inner/": b""}
    archive = ExportArchive(pack(tmp_path / "a.zip", {**FILES, **others}, folder))
    assert contents(archive) == FILES
    # More than once.
    assert contents(archive) == FILES
    assert archive.left_out == ["notes.txt"]
    archive.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "File is not a zip file"),
        (b"PK\x03\x04" + b"x" * 100, "File is not a zip file"),
    ],
)
def test_not_a_zip_file(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=f"{path}: {problem}"):
        ExportArchive(str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="No such file"):
        ExportArchive(str(tmp_path / "a.zip"))


def test_no_export(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="has no files of Plausible's export"):
        ExportArchive(pack(tmp_path / "a.zip", {"website_event.csv": b"x"}))


def test_two_files_of_one_name(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {VISITORS: b"x", f"again/{VISITORS}": b"y"})
    with pytest.raises(ArchiveError, match=f"has two files {VISITORS}"):
        ExportArchive(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_take_memory_are_refused(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as packed:
        packed.writestr(VISITORS, FILES[VISITORS])
    with (
        closing(ExportArchive(str(path))) as archive,
        pytest.raises(ArchiveError, match="is encrypted, or compressed unusually"),
    ):
        contents(archive)


def test_encrypted(tmp_path: Path) -> None:
    content = bytearray(Path(pack(tmp_path / "a.zip", {VISITORS: b"x"})).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with (
        closing(ExportArchive(str(tmp_path / "a.zip"))) as archive,
        pytest.raises(ArchiveError, match="is encrypted"),
    ):
        contents(archive)


@pytest.mark.parametrize("place", ["content", "sum"])
def test_damage(tmp_path: Path, place: str) -> None:
    path = Path(pack(tmp_path / "a.zip", {VISITORS: FILES[VISITORS]}))
    content = bytearray(path.read_bytes())
    content[60 if place == "content" else content.index(b"PK\x01\x02") + 16] ^= 0xFF
    path.write_bytes(content)
    with (
        closing(ExportArchive(str(path))) as archive,
        pytest.raises(ArchiveError, match=str(path)),
    ):
        contents(archive)


def test_a_bomb_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "a.zip", {VISITORS: bytes(64_000_000)})
    archive = ExportArchive(path)
    tracemalloc.start()
    read = sum(map(len, archive.read(archive.files[0])))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == 64_000_000
    assert peak < 1_000_000
    monkeypatch.setattr(export_archive, "CONTENT_BYTES", 1_000_000)
    with pytest.raises(ArchiveError, match="unpacks to more than 1000000 bytes"):
        contents(archive)
    archive.close()


def test_all_files_together_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_archive, "CONTENT_BYTES", 1_000)
    assert max(map(len, FILES.values())) < 1_000
    with (
        closing(ExportArchive(pack(tmp_path / "a.zip"))) as archive,
        pytest.raises(ArchiveError, match="unpacks to more than"),
    ):
        contents(archive)


@pytest.mark.parametrize("zip64", [False, True])
def test_a_long_list_of_files_is_not_read(tmp_path: Path, zip64: bool) -> None:
    """The list's size is what the end of the file says, in one of two places."""
    size = export_archive.DIRECTORY_BYTES + 1
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 0 if zip64 else size, 0, 0)
    if zip64:
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, 0)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, size, 1)
        end = record + locator + end
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(size) + end)
    with pytest.raises(ArchiveError, match="its list of files is too long"):
        ExportArchive(str(path))


def test_many_files(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for number in range(20_000):
            packed.writestr(f"{number}{'x' * 60}", b"")
    path = tmp_path / "a.zip"
    path.write_bytes(content.getvalue())
    with pytest.raises(ArchiveError, match="its list of files is too long"):
        ExportArchive(str(path))

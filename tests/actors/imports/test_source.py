import gzip
import io
import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from actors.imports.source import InputFiles, SourceError
from ingest.request.zstd import ZstdCompressor

CONTENT = b"".join(b"line %d\n" % number for number in range(100_000))


def zstd(data: bytes) -> bytes:
    return ZstdCompressor().compress(data, ZstdCompressor.FLUSH_FRAME)


def read_all(source: InputFiles) -> bytes:
    pieces = iter(source.read, b"")
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("name", "coded"),
    [
        pytest.param("plain", CONTENT, id="plain"),
        pytest.param("a.gz", gzip.compress(CONTENT), id="gzip"),
        pytest.param("a.gz", gzip.compress(CONTENT[:9]) + gzip.compress(CONTENT[9:]), id="members"),
        pytest.param("a.zst", zstd(CONTENT), id="zstd"),
        pytest.param(
            "misnamed",
            zstd(CONTENT[:9]) + zstd(CONTENT[9:]),
            id="frames",
        ),
    ],
)
def test_codings(tmp_path: Path, name: str, coded: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(coded)
    source = InputFiles([str(path)])
    assert source.total == len(coded)
    assert source.sample() == CONTENT.split(b"\n")[:50]
    assert source.done == 0
    assert read_all(source) == CONTENT
    assert (source.done, source.read()) == (len(coded), b"")
    source.rewind()
    assert read_all(source) == CONTENT
    source.close()


def test_an_array_becomes_lines(tmp_path: Path) -> None:
    visit = {"visitorId": "v", "actionDetails": [{"type": "action"}, {"type": "goal"}]}
    paths = []
    for name, visits in (("a", 2), ("b", 5000)):
        path = tmp_path / name
        path.write_bytes(gzip.compress(json.dumps([visit] * visits, indent=1).encode()))
        paths.append(str(path))
    source = InputFiles(paths)
    sample = source.sample()
    assert len(sample) == 50
    assert json.loads(sample[1])["actionDetails"] == {"type": "goal"}
    lines = read_all(source).splitlines()
    assert (lines[:50], len(lines)) == (sample, 2 * 5002)
    assert source.done == source.total


def test_files_one_after_the_other(tmp_path: Path) -> None:
    paths = []
    for number, content in enumerate((b"a\nb", b"", gzip.compress(b"c\n"), b"d")):
        path = tmp_path / str(number)
        path.write_bytes(content)
        paths.append(str(path))
    source = InputFiles(paths)
    assert read_all(source) == b"a\nb\nc\nd"
    assert source.done == source.total


def test_a_file_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a\n")
    source = InputFiles([str(path)])
    with path.open("ab") as file:
        file.write(b"b\n")
    assert read_all(source) == b"a\nb\n"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        InputFiles([str(tmp_path / "none")])
    with pytest.raises(SourceError, match="directory"):
        InputFiles([str(tmp_path)])


@pytest.mark.parametrize(
    "coded",
    [gzip.compress(CONTENT)[:-20], b"\x1f\x8b\x08nonsense" * 9, zstd(CONTENT)[:-20]],
)
def test_a_damaged_file(tmp_path: Path, coded: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(coded)
    with (
        closing(InputFiles([str(path)])) as source,
        pytest.raises(SourceError, match=r"a.gz: damaged, or its end is missing"),
    ):
        read_all(source)


def test_a_sample_of_a_damaged_file_leaves_it_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(b"\x1f\x8b\x08nonsense" * 9)
    source = InputFiles([str(path)])
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SourceError):
        source.sample()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_done_may_be_looked_at_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may look while a file is closed."""
    path = tmp_path / "plain"
    path.write_bytes(CONTENT)
    seen: list[int] = []

    class Watched(io.FileIO):
        def close(self) -> None:
            super().close()
            seen.append(source.done)

    source = InputFiles([str(path), str(path)])
    monkeypatch.setattr(Path, "open", lambda path, mode: Watched(path))
    assert read_all(source) == 2 * CONTENT
    assert seen == [len(CONTENT), 2 * len(CONTENT)]


def test_what_cannot_be_read_twice(tmp_path: Path) -> None:
    """Opening a pipe would wait for somebody who writes into it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null")):
        with pytest.raises(SourceError, match=f"{path}: not a file; standard input is -"):
            InputFiles([str(path)])

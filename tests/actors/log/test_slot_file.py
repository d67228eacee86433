import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.log.slot_file import SLOT_BYTES, SlotFile

NUMBERS = st.integers(0, 2**64 - 1)


class NumberFile(SlotFile[int]):
    magic = b"NUMBER01"
    fields = struct.Struct("<Q")

    @staticmethod
    def pack(content: int) -> tuple[int, ...]:
        return (content,)

    @staticmethod
    def unpack(values: tuple[Any, ...]) -> int:
        return int(values[0])


class OtherFile(NumberFile):
    magic = b"OTHER001"


@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_the_last_write_is_read(
    tmp_path_factory: pytest.TempPathFactory, openings: list[list[int]]
) -> None:
    path = tmp_path_factory.mktemp("slots") / "file"
    for numbers in openings:
        file = NumberFile.open(path)
        for number in numbers:
            file.write(number)
            assert NumberFile.read(path) == number
        file.sync()
        file.close()
        assert NumberFile.read(path) == numbers[-1]
    assert path.stat().st_size == 2 * SLOT_BYTES
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_file_and_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert NumberFile.read(path) is None
    assert not path.exists()
    NumberFile.open(path).close()
    assert NumberFile.read(path) is None


@given(st.integers(0, 2 * SLOT_BYTES - 1), st.integers(1, 255))
def test_a_damaged_slot_leaves_the_other_one(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    path = tmp_path_factory.mktemp("slots") / "file"
    file = NumberFile.open(path)
    file.write(1)
    file.write(2)
    file.close()
    data = bytearray(path.read_bytes())
    data[place] ^= change
    path.write_bytes(data)
    assert NumberFile.read(path) in (1, 2)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\0" * 512, b"\xff" * 512])
def test_garbage_has_no_content_and_is_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert NumberFile.read(path) is None
    file = NumberFile.open(path)
    assert NumberFile.read(path) is None
    file.write(3)
    file.close()
    assert NumberFile.read(path) == 3


def test_another_magic_has_no_content(tmp_path: Path) -> None:
    file = OtherFile.open(tmp_path / "file")
    file.write(3)
    file.close()
    assert OtherFile.read(tmp_path / "file") == 3
    assert NumberFile.read(tmp_path / "file") is None


def test_a_write_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    file = NumberFile.open(path)
    file.write(1)

    def fail(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        with pytest.raises(OSError, match="No space"):
            file.write(2)
    assert NumberFile.read(path) == 1
    file.close()

from random import Random

import pytest

from ingest.engine.parts import PIECE_BYTES, Assembler, Packer, read_part, unpack


def pack(*frames: bytes, content_id: int = 7) -> list[bytes]:
    packer = Packer()
    for frame in frames:
        packer.add(frame)
    return packer.finish(content_id)


def noise(size: int, seed: int = 1) -> bytes:
    return Random(seed).randbytes(size)  # noqa: S311


@pytest.mark.parametrize(
    "frames",
    [(), (b"",), (b"a", b"", b"bc"), (noise(100),) * 50, (noise(3 * PIECE_BYTES), b"end")],
)
def test_frames_come_back(frames: tuple[bytes, ...]) -> None:
    messages = pack(*frames)
    parts = [read_part(message) for message in messages]
    assert [part.number for part in parts] == list(range(len(messages)))
    assert {(part.content_id, part.parts) for part in parts} == {(7, len(messages))}
    assert max(map(len, messages)) <= 512 * 1024
    assert list(unpack([part.piece for part in parts])) == list(frames)


def assemble(*messages: bytes) -> list[list[bytes]]:
    assembler = Assembler()
    found = [assembler.add(read_part(message)) for message in messages]
    return [pieces for pieces in found if pieces is not None]


A = pack(noise(2 * PIECE_BYTES, 1), content_id=1)
B = pack(noise(2 * PIECE_BYTES, 2), content_id=2)


def test_parts_of_several_contents_are_told_apart() -> None:
    mixed = [message for pair in zip(A, B, strict=True) for message in pair]
    assert len(assemble(*mixed)) == 2


@pytest.mark.parametrize(
    "messages", [A[:-1], A[1:], [A[0], *A[2:]], [*A[:-1], B[-1]]], ids=["end", "head", "gap", "mix"]
)
def test_a_torn_content_is_not_whole(messages: list[bytes]) -> None:
    assert assemble(*messages) == []


def test_repeated_parts_are_passed_over() -> None:
    assert len(assemble(A[0], A[0], *A[1:-1], A[1], A[-1])) == 1


@pytest.mark.parametrize(
    "message", [b"", A[0][:20], b"\x02" + A[0][1:], A[0][:-1] + b"?"],
    ids=["empty", "short", "version", "checksum"],
)  # fmt: skip
def test_a_damaged_part_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match="part"):
        read_part(message)


def test_a_damaged_content_is_refused() -> None:
    piece = read_part(pack(b"abc")[0]).piece
    with pytest.raises(ValueError, match="damaged"):
        list(unpack([b"?" + piece]))
    with pytest.raises(ValueError, match="ends within"):
        list(unpack([read_part(A[0]).piece]))

"""The records of the letters topic, as frames (`ingest.engine.parts`).

The first frame is a header as JSON. A letter's other frames are its text
(`ingest.letters.dead_letter`), those of a message that cannot be decoded are its bytes. A mark
changes the letter of its id.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal

import msgspec

from ingest.letters.dead_letter import DeadLetter
from ingest.rows.batch import Insert

VERSION: Final = 1

Mark = Literal["redrive", "redriven", "dropped"]
"""What an operator or a redrive has decided: to be redriven, done, or dropped."""


class LetterHeader(msgspec.Struct, frozen=True, gc=False):
    """What a record of the letters topic says, but for the letter's content.

    Attributes:
        version: Of this form.
        id: Of the letter.
        kind: As in `DeadLetter`; `message` for a message that cannot be decoded; None for a mark.
        partition: The partition that its events belong to.
        position: Position of a record that could not be folded.
        created_at: Unix seconds.
        actor: The actor that could not handle it.
        error: What went wrong.
        mark: Of a mark; None for a letter.
        redriven: How often the letter was redriven and failed again; a mark is about the letter of
            that number.
        about: What else a list of letters shows.
    """

    version: int
    id: str
    kind: str | None
    partition: int
    position: int | None
    created_at: int
    actor: str = ""
    error: str = ""
    mark: Mark | None = None
    redriven: int = 0
    about: dict[str, str | int] = {}


_HEADER: Final = msgspec.json.Decoder(LetterHeader)


def letter_frames(letter: DeadLetter) -> Iterator[bytes]:
    """A letter as frames; those of rows are many and small."""
    position = None if letter.position is None else letter.position.position
    yield msgspec.json.encode(
        LetterHeader(
            VERSION,
            letter.id,
            letter.kind,
            letter.partition,
            position,
            letter.created_at,
            letter.actor,
            letter.error,
            redriven=letter.redriven,
            about=letter.about,
        )
    )
    for piece in letter.pieces():
        yield piece.encode()


def message_frames(
    letter_id: str, partition: int, created_at: int, reason: str, message: bytes
) -> Iterator[bytes]:
    """A message that cannot be decoded as frames."""
    yield msgspec.json.encode(
        LetterHeader(VERSION, letter_id, "message", partition, None, created_at, "log", reason)
    )
    yield message


def mark_of(letter: LetterHeader, mark: Mark, created_at: int) -> LetterHeader:
    """The header of a mark on a letter."""
    return LetterHeader(
        VERSION,
        letter.id,
        None,
        letter.partition,
        None,
        created_at,
        mark=mark,
        redriven=letter.redriven,
    )


def mark_frames(mark: LetterHeader) -> Iterator[bytes]:
    """A mark as frames."""
    yield msgspec.json.encode(mark)


def read_header(frame: bytes) -> LetterHeader:
    """Read the first frame of a record.

    Raises:
        ValueError: It is no header of a known version.
    """
    try:
        header = _HEADER.decode(frame)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a record of letters: {type(error).__name__}") from None
    if header.version != VERSION:
        raise ValueError(f"version {header.version} of a letter is not known, only {VERSION}")
    return header


def read_letter(frames: Iterable[bytes]) -> DeadLetter:
    """Read the letter of a record's frames.

    Raises:
        ValueError: They are no letter.
    """
    return DeadLetter.from_json(read_text(frames).decode())


def read_text(frames: Iterable[bytes]) -> bytes:
    """What follows the header: a letter's text, or the bytes of a message.

    Raises:
        ValueError: The frames are damaged.
    """
    return b"".join(islice(frames, 1, None))


def rows_partition(insert: Insert) -> int:
    """The partition of a batch's rows, by their token `<cluster>-<partition>-<A>-<B>-…`.

    0 if the token is not of this form.
    """
    parts = insert.token.split("-")
    return int(parts[1]) if len(parts) > 3 and parts[1].isdecimal() else 0

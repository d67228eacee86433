"""The form in which Plausible's data is kept on disk, for a start without PostgreSQL."""

from dataclasses import replace
from typing import Final

import msgspec

from ingest.plausible.tables import PlausibleData

VERSION: Final = 1


class _Document(msgspec.Struct, frozen=True):
    version: int
    data: PlausibleData


_DECODER: Final = msgspec.json.Decoder(_Document)


def serialise(data: PlausibleData) -> bytes:
    """Encode the data without its salts, which have a file of their own."""
    return msgspec.json.encode(_Document(VERSION, replace(data, salts=())))


def parse(content: bytes) -> PlausibleData:
    """Read what `serialise` wrote.

    Raises:
        ValueError: The content is invalid.
    """
    try:
        document = _DECODER.decode(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not Plausible's sites: {error}") from None
    if document.version != VERSION:
        raise ValueError(f"version {document.version} is not known, only {VERSION}")
    return document.data

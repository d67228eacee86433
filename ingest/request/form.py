"""Forms, URL-encoded or in parts, as pairs of names and texts.

Both are read in linear time. An event's form has a dozen fields.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final
from urllib.parse import unquote_to_bytes

FIELDS_LIMIT: Final = 200
"""Fields of a form: each key of an event, each property under each of its four keys, and some."""

URLENCODED_BYTES: Final = 250_000
"""Bytes of a URL-encoded form: about three for each byte of the largest event."""

ESCAPES_LIMIT: Final = 20_000
"""Escapes (`%41`) of a URL-encoded form."""

BOUNDARY_BYTES: Final = 70
"""RFC 2046 §5.1.1."""

HEAD_BYTES: Final = 1024
"""Header lines of a part, and the header that names the boundary: a name and little else."""

PARAMETERS_LIMIT: Final = 10
"""Parameters of a header that are looked at; a form's have two at most."""

_PARAMETER: Final = re.compile(
    r""";\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))""", re.DOTALL
)
_DISPOSITION: Final = re.compile(rb"\r\ncontent-disposition:([^\r]*)", re.IGNORECASE)


def read_urlencoded(body: bytes) -> list[tuple[str, str]]:
    """The fields of a URL-encoded form, in order.

    Raises:
        ValueError: The form exceeds a limit.
    """
    if len(body) > URLENCODED_BYTES:
        raise ValueError("too many bytes")
    if body.count(b"&") >= FIELDS_LIMIT:
        raise ValueError("too many fields")
    if body.count(b"%") > ESCAPES_LIMIT:
        raise ValueError("too many escapes")
    pairs = (field.partition(b"=") for field in body.split(b"&") if field)
    return [(_decode(name), _decode(text)) for name, _, text in pairs]


def _decode(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "replace")


def read_multipart(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    """The fields of a form in parts (RFC 7578); files, and parts without a name, are passed over.

    Args:
        content_type: The header.
        body: The form.

    Raises:
        ValueError: The form is none, or has no end, or exceeds a limit.
    """
    boundary = (
        _parameters(content_type[:HEAD_BYTES]).get("boundary", "").encode("latin-1", "replace")
    )
    if not 0 < len(boundary) <= BOUNDARY_BYTES:
        raise ValueError("no boundary")
    # The first delimiter may stand at the very beginning; what comes before it means nothing.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, FIELDS_LIMIT + 2)[1:]
    for number, part in enumerate(parts):
        if part.startswith(b"--"):
            return
        if number == FIELDS_LIMIT:
            raise ValueError("too many parts")
        padding, _, part = part.partition(b"\r\n")
        head, found, content = (b"\r\n" + part).partition(b"\r\n\r\n")
        if padding.strip(b" \t") or not found or len(head) > HEAD_BYTES:
            raise ValueError("not a part")
        name = _part_name(head)
        if name is not None:
            yield name, content.decode("utf-8", "replace")
    raise ValueError("no end")


def _part_name(head: bytes) -> str | None:
    """The name of a field; None for a file, and for what has none."""
    disposition = _DISPOSITION.search(head)
    if disposition is None:
        return None
    parameters = _parameters(disposition[1].decode("utf-8", "replace"))
    is_file = "filename" in parameters or "filename*" in parameters
    return None if is_file else parameters.get("name")


def _parameters(header: str) -> dict[str, str]:
    """The first parameters of a header, by lower-case name; of a repeated one the last counts."""
    return {
        found[1].lower(): found[2].replace('\\"', '"') if found[3] is None else found[3]
        for found in islice(_PARAMETER.finditer(header), PARAMETERS_LIMIT)
    }

"""Bodies as mappings of keys to values, whatever their content type (spec/ingestion.md §1)."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic_core import from_json
from werkzeug.http import parse_options_header

from ingest.request.invalid import UNPARSABLE, InvalidRequest

BODY_LIMIT: Final = 1_000_000
"""Bytes; a longer body is not read to its end."""

FIELDS_LIMIT: Final = 1000
"""Fields of a form."""

BOUNDARY_BYTES: Final = 70
"""RFC 2046 §5.1.1."""

PART_HEAD_BYTES: Final = 4096
"""Header lines of a part, which are a name of some letters and little else."""

_NESTED: Final = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")


def media_type(content_type: str | None) -> str:
    """The type of a `Content-Type` header, in lower case and without parameters."""
    return (content_type or "").partition(";")[0].strip().lower()


def reads_raw(content_type: str | None) -> bool:
    """Whether a body of this type is decoded as JSON whatever it says it is.

    That is any type but JSON and forms; trackers send `text/plain`, which needs no preflight.
    A body without a type is taken as one of these.
    """
    kind = media_type(content_type)
    return not (_is_json(kind) or _is_form(kind))


def parse_body(content_type: str | None, body: bytes) -> dict[str, Any]:
    """Decode a body.

    JSON follows RFC 8259: UTF-8 only, no byte order mark, no lone surrogates, at most 200 levels
    deep, integers of at most 4,300 digits; of a repeated key the last one counts. In a form,
    `key[name]=value` makes a mapping; all values are text.

    Args:
        content_type: The header; None when absent.
        body: At most `BODY_LIMIT` bytes.

    Raises:
        InvalidRequest: `UNPARSABLE`.
    """
    kind = media_type(content_type)
    if _is_form(kind):
        return _parse_form(kind, content_type or "", body)
    if not body and _is_json(kind):
        return {}
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise InvalidRequest(UNPARSABLE) from None
    if isinstance(value, dict):
        return value
    if _is_json(kind):
        return {}  # an array or a scalar has none of the keys
    raise InvalidRequest(UNPARSABLE)


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _is_form(kind: str) -> bool:
    return kind in ("application/x-www-form-urlencoded", "multipart/form-data")


def _parse_form(kind: str, content_type: str, body: bytes) -> dict[str, Any]:
    try:
        if kind == "multipart/form-data":
            return _nested(_multipart_pairs(content_type, body))
        text = body.decode("utf-8", "replace")
        return _nested(
            parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=FIELDS_LIMIT)
        )
    except ValueError:
        raise InvalidRequest(UNPARSABLE) from None


def _multipart_pairs(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    """The fields of a form in parts (RFC 7578); files, and parts without a name, are passed over.

    Raises:
        ValueError: The form is none, or has no end, or exceeds a limit.
    """
    boundary = (
        parse_options_header(content_type)[1].get("boundary", "").encode("latin-1", "replace")
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
        if padding.strip(b" \t") or not found or len(head) > PART_HEAD_BYTES:
            raise ValueError("not a part")
        name = _part_name(head)
        if name is not None:
            yield name, content.decode("utf-8", "replace")
    raise ValueError("no end")


def _part_name(head: bytes) -> str | None:
    """The name of a field; None for a file, and for what has none."""
    for line in head.decode("utf-8", "replace").split("\r\n"):
        header, _, value = line.partition(":")
        if header.lower() == "content-disposition":
            parameters = parse_options_header(value)[1]
            return None if "filename" in parameters else parameters.get("name")
    return None


def _nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for key, value in pairs:
        nested = _NESTED.fullmatch(key)
        if nested is None:
            form[key] = value
        else:
            inner = form.setdefault(nested[1], {})
            if isinstance(inner, dict):
                inner[nested[2]] = value
    return form

"""Bodies as mappings of keys to values, whatever their content type (spec/ingestion.md §1)."""

import re
from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic_core import from_json
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from ingest.request.invalid import UNPARSABLE, InvalidRequest

BODY_LIMIT: Final = 1_000_000
"""Bytes; a longer body is not read to its end."""

FIELDS_LIMIT: Final = 1000
"""Fields of a form."""

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

    JSON follows RFC 8259: UTF-8 only, no lone surrogates, at most 200 levels deep; of a repeated
    key the last one counts. In a form, `key[name]=value` makes a mapping; all values are text.

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
    except (ValueError, HTTPException):
        raise InvalidRequest(UNPARSABLE) from None


def _multipart_pairs(content_type: str, body: bytes) -> Iterable[tuple[str, str]]:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise ValueError("no boundary")
    parser = MultiPartParser(max_form_memory_size=BODY_LIMIT, max_form_parts=FIELDS_LIMIT)
    form, _files = parser.parse(BytesIO(body), boundary.encode("latin-1", "replace"), len(body))
    return list(form.items(multi=True))


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

"""Bodies as mappings of keys to values, whatever their content type (spec/ingestion.md §1)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from ingest.request.form import read_multipart, read_urlencoded
from ingest.request.invalid import UNPARSABLE, InvalidRequest
from ingest.request.json_text import read_json

BODY_LIMIT: Final = 1_000_000
"""Bytes; a longer body is not read to its end."""

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


def is_form(content_type: str | None) -> bool:
    """Whether a body of this type is a form."""
    return _kind(content_type)[2]


def parse_body(content_type: str | None, body: bytes) -> dict[str, Any]:
    """Decode a body.

    In a form, `key[name]=value` makes a mapping; all values are text.

    Args:
        content_type: The header; None when absent.
        body: At most `BODY_LIMIT` bytes.

    Raises:
        InvalidRequest: `UNPARSABLE`.
    """
    kind, is_json, form = _kind(content_type)
    if form:
        return _parse_form(kind, content_type or "", body)
    if not body and is_json:
        return {}
    try:
        value = read_json(body)
    except ValueError:
        raise InvalidRequest(UNPARSABLE) from None
    if isinstance(value, dict):
        return value
    if is_json:
        return {}  # an array or a scalar has none of the keys
    raise InvalidRequest(UNPARSABLE)


@lru_cache(maxsize=64)
def _kind(content_type: str | None) -> tuple[str, bool, bool]:
    """The media type, whether it is JSON, and whether it is a form."""
    kind = media_type(content_type)
    return kind, _is_json(kind), _is_form(kind)


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _is_form(kind: str) -> bool:
    return kind in ("application/x-www-form-urlencoded", "multipart/form-data")


def _parse_form(kind: str, content_type: str, body: bytes) -> dict[str, Any]:
    try:
        if kind == "multipart/form-data":
            return _nested(read_multipart(content_type, body))
        return _nested(read_urlencoded(body))
    except ValueError:
        raise InvalidRequest(UNPARSABLE) from None


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

"""Encodes answers in exactly the bytes that hypercorn would send."""

import time
from functools import lru_cache
from typing import Final
from wsgiref.handlers import format_date_time

from ingest.http.answer import CORS_HEADERS, Answer

CACHED_BYTES: Final = 1024
"""Maximum size of a body that is encoded once a second: that of a small batch without errors."""

_date = lru_cache(maxsize=1)(format_date_time)


def encode(answer: Answer, *, asked: bool, stopping: bool, request_id: str = "") -> bytes:
    """Encode an answer in exactly the bytes that hypercorn would send.

    Args:
        answer: The answer.
        asked: Whether the client has asked to close the connection.
        stopping: Whether the server stops and closes the connection in any case.
        request_id: The request's id for errors; empty for other answers.
    """
    second = int(time.time())
    if request_id or len(answer.body) > CACHED_BYTES:
        return _encode(answer, asked, stopping, request_id, second)
    return _encoded(answer, asked, stopping, request_id, second)


def _encode(answer: Answer, asked: bool, stopping: bool, request_id: str, second: int) -> bytes:
    headers = [
        *answer.headers,
        ("content-type", answer.content_type),
        ("content-length", str(len(answer.body))),
        *CORS_HEADERS,
        *((("x-request-id", request_id),) if request_id else ()),
        ("date", _date(second)),
    ]
    if stopping:
        headers.insert(-1, ("connection", "close"))
    elif asked:
        headers.append(("Connection", "close"))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {answer.status} \r\n{head}\r\n".encode("latin-1") + answer.body


_encoded = lru_cache(maxsize=64)(_encode)
"""Cached, because the answers to events without errors rarely differ within a second."""

"""Servers that are no ClickHouse to work with: they answer a handshake in a fixed way."""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio


def _text(text: str) -> bytes:
    return bytes((len(text),)) + text.encode()


def _number(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))


def greeting(major: int, minor: int) -> bytes:
    """The hello of a server of this version."""
    revision = 54412
    numbers = b"".join(map(_number, (major, minor, revision)))
    return b"\0" + _text("ClickHouse") + numbers + _text("UTC") + _text("old") + _number(1)


def refusal(code: int, message: str) -> bytes:
    """An error instead of a hello."""
    texts = _text("DB::Exception") + _text(f"DB::Exception: {message}") + _text("")
    return b"\x02" + struct.pack("<i", code) + texts + b"\0"


@asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[int]:
    """Listen on a free port, which is the value, and answer whoever says something."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()

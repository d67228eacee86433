"""Structs and plain data as bytes: msgpack, or JSON for text that msgpack cannot encode.

Text from a URL may contain bytes that are not UTF-8, kept as surrogates (see `ingest.model.event`).
"""

import json
from typing import Any, Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

BINARY: Final = 0
TEXT: Final = 1

_ENCODER: Final = msgspec.msgpack.Encoder()


def encode(content: object) -> tuple[int, bytes]:
    """Encode structs and plain data.

    Returns:
        The form, `BINARY` or `TEXT`, and the bytes.
    """
    try:
        return BINARY, _ENCODER.encode(content)
    except UnicodeEncodeError:
        return TEXT, json.dumps(msgspec.to_builtins(content)).encode()


class Decoder(Generic[T]):
    """Decodes values of one type that `encode` wrote."""

    def __init__(self, content: Any) -> None:
        """Create a decoder for a type.

        Args:
            content: The type, in msgspec's terms.
        """
        self._type = content
        self._binary = msgspec.msgpack.Decoder(content)

    def decode(self, form: int, body: bytes | memoryview) -> T:
        """Read content.

        Raises:
            ValueError: It is not of the type.
        """
        try:
            if form == BINARY:
                return self._binary.decode(body)  # type: ignore[no-any-return]
            if form == TEXT:
                # msgspec refuses lone surrogates in JSON, too.
                return msgspec.convert(json.loads(bytes(body)), self._type)  # type: ignore[no-any-return]
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"broken content: {type(error).__name__}") from None
        raise ValueError(f"broken content: form {form}")

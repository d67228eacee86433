"""The head of a plain request."""

import msgspec


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """The head of a request.

    Attributes:
        route: The route.
        headers: First occurrence of each used header, by lower-case name.
        lists: The same, with all occurrences of list headers joined with commas; None if no list
            header is repeated.
        size: Size of the head in bytes.
        length: Size of the body in bytes.
        is_large: Whether there must be room for the request before its body is read.
        closes: Whether the client wants the connection closed after the answer.
    """

    route: str
    headers: dict[str, str]
    lists: dict[str, str] | None
    size: int
    length: int
    is_large: bool
    closes: bool

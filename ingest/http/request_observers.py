"""Observers of requests: called once a request has its answer."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CompletedRequest:
    """A request and its answer, without data of the visitor.

    Attributes:
        method: HTTP method.
        route: The route's pattern; `(none)` if no route matched.
        status: HTTP status code.
        seconds: Time from the complete request to its answer.
        reasons: The reasons for which its events were dropped.
        traceparent: The `traceparent` header of a trusted proxy (W3C Trace Context §3.2); None if
            there is none.
    """

    method: str
    route: str
    status: int
    seconds: float
    reasons: tuple[str, ...] = ()
    traceparent: str | None = None


RequestObserver = Callable[[CompletedRequest], None]
"""Called before the answer is sent, while the request's id is the current one. It must not block or
raise."""

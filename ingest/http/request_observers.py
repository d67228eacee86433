"""Observers of requests: called once a request has its answer."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CompletedRequest:
    """A request and its answer, without anything that tells of the visitor.

    Attributes:
        method: HTTP method.
        route: The route's pattern; `(none)` when there is none.
        status: HTTP status code.
        seconds: From the complete request to its answer.
        reasons: Why events of it were dropped.
        traceparent: What a believed proxy says of the trace that the request belongs to (W3C Trace
            Context §3.2); None when nothing.
    """

    method: str
    route: str
    status: int
    seconds: float
    reasons: tuple[str, ...] = ()
    traceparent: str | None = None


RequestObserver = Callable[[CompletedRequest], None]
"""Called before the answer is sent, while the request's id is the current one; neither blocks nor
raises."""

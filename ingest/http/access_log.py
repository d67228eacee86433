"""The access log: a structured line for each request, without address and user agent."""

from typing import Final, Literal

import structlog

from ingest.http.answer import FIRST_ERROR
from ingest.http.request_observers import CompletedRequest

log = structlog.get_logger()

_OURS: Final = 500


class AccessLog:
    """Logs requests; the request's id comes from the log's context."""

    def __init__(self, which: Literal["errors", "all"]) -> None:
        """Choose the requests to log.

        Args:
            which: `errors` for requests answered with 4xx or 5xx; `all` for all requests.
        """
        self._from = FIRST_ERROR if which == "errors" else 0

    def __call__(self, completed: CompletedRequest) -> None:
        """Log a request, as a warning if it was answered with 5xx."""
        if completed.status < self._from:
            return
        write = log.warning if completed.status >= _OURS else log.info
        write(
            "request",
            method=completed.method,
            route=completed.route,
            status=completed.status,
            milliseconds=round(completed.seconds * 1000, 2),
            **({"dropped": list(completed.reasons)} if completed.reasons else {}),
        )

"""The access log: a structured line for a request, without address and user agent."""

from typing import Final, Literal

import structlog

from ingest.http.answer import FIRST_ERROR
from ingest.http.request_observers import Answered

log = structlog.get_logger()

_OURS: Final = 500


class AccessLog:
    """Logs requests; the request's id comes from the log's context."""

    def __init__(self, which: Literal["errors", "all"]) -> None:
        """Log these requests.

        Args:
            which: `errors` for those that are answered with 4xx or 5xx.
        """
        self._from = FIRST_ERROR if which == "errors" else 0

    def __call__(self, answered: Answered) -> None:
        """Log a request, as a warning when the fault is ours."""
        if answered.status < self._from:
            return
        write = log.warning if answered.status >= _OURS else log.info
        write(
            "request",
            method=answered.method,
            route=answered.route,
            status=answered.status,
            milliseconds=round(answered.seconds * 1000, 2),
            **({"dropped": list(answered.reasons)} if answered.reasons else {}),
        )

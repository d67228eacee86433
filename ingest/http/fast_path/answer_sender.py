"""Sends the answers of the fast path, and tells metrics and observers about them."""

import time
from collections.abc import Sequence

from ingest.http.answer import FIRST_ERROR, Answer
from ingest.http.event_endpoint import ACCEPTED
from ingest.http.fast_path.connection import Connection
from ingest.http.fast_path.encoded_answer import encode
from ingest.http.request_observers import CompletedRequest, RequestObserver
from ingest.http.trusted_headers import traceparent
from ingest.request.client_address import TrustedProxies
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.request_id import CURRENT


class AnswerSender:
    """Sends the answers of one server.

    Attributes:
        stopping: Whether the server stops, so that an answer is the last one of its connection.
    """

    def __init__(
        self,
        trusted_proxies: TrustedProxies,
        metrics: Metrics,
        observers: Sequence[RequestObserver],
    ) -> None:
        """Create the sender.

        Args:
            trusted_proxies: Peers whose `traceparent` is trusted.
            metrics: Count the requests.
            observers: Called for each request.
        """
        self.stopping = False
        self._trusted_proxies = trusted_proxies
        self._metrics = metrics
        self._observers = tuple(observers)
        self._encoded_accepted = b""

    def begin_hold(self) -> None:
        """Use the current second in the answers that follow, up to the next checkpoint."""
        self._encoded_accepted = b""

    def send(self, connection: Connection, answer: Answer) -> None:
        """Answer a connection's current request.

        Raises:
            OSError: The connection is broken.
        """
        head, connection.head = connection.head, None
        assert head is not None, "there is a request"  # noqa: S101
        seconds = time.perf_counter() - connection.started
        self._metrics.observe_request(head.route, answer.status, seconds)
        if self._observers:
            CURRENT.set(connection.request_id)
            parent = traceparent(self._trusted_proxies, head.headers, connection.peer)
            completed = CompletedRequest(
                "POST", head.route, answer.status, seconds, answer.reasons, parent
            )
            for observe in self._observers:
                observe(completed)
        if answer is ACCEPTED and not (connection.closing or self.stopping):
            # The same for all events of a hold: its date has a resolution of seconds.
            if not self._encoded_accepted:
                self._encoded_accepted = encode(ACCEPTED, asked=False, stopping=False)
            connection.send(self._encoded_accepted)
            return
        request_id = ""
        if answer.status >= FIRST_ERROR:
            self._metrics.history.refuse(answer.status)
            request_id = connection.request_id.text
        data = encode(
            answer, asked=connection.closing, stopping=self.stopping, request_id=request_id
        )
        connection.closing = connection.closing or self.stopping
        connection.send(data)

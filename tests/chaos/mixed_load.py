"""Everything that a server gets beside single events: batches, bots, followers, queries."""

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Final

from tests.chaos.client import ANSWER_SECONDS, Connection
from tests.chaos.events import Outcome, Sent
from tests.chaos.server import SluiceProcess
from tests.chaos.traffic import Planned, visit

FIRST_PROBE_VISITOR: Final = 300_000
FIRST_BATCH_VISITOR: Final = 400_000
PROBE_SECONDS: Final = 0.2
BATCH_SECONDS: Final = 2.0
BOT_SECONDS: Final = 0.5
QUERY_SECONDS: Final = 5.0
BOT: Final = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
QUERY: Final = "SELECT name, count() AS events FROM events_v2 GROUP BY name"
RESULTS: Final = {
    "accepted": Outcome.ACKNOWLEDGED,
    "dropped": Outcome.DROPPED,
    "unavailable": Outcome.REFUSED,
}


class MixedLoad:
    """Clients in threads, each of which does one thing again and again.

    Attributes:
        done: How often each was done, and by what each failed.
    """

    def __init__(self, server: SluiceProcess, seed: int) -> None:
        """Start nothing yet."""
        self.done: Counter[str] = Counter()
        self._server = server
        self._seed = seed
        self._stopping = threading.Event()
        self._sent: list[Sent] = []
        self._times: list[float] = []
        probes, batches = self._visits(FIRST_PROBE_VISITOR), self._visits(FIRST_BATCH_VISITOR)
        connection = Connection(server.port)
        work: tuple[tuple[str, float, Callable[[], object]], ...] = (
            ("timed event", PROBE_SECONDS, lambda: self._probe(connection, probes)),
            ("batch", BATCH_SECONDS, lambda: self._batch(list(next(batches)))),
            ("bot", BOT_SECONDS, self._bot),
            ("query", QUERY_SECONDS, lambda: server.query(QUERY)),
            ("followed events", 0.0, self._follow),
        )
        self._threads = [
            threading.Thread(target=self._run, args=each, daemon=True) for each in work
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[Sent]:
        """End; return the events that were sent."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS)
        return self._sent

    def times(self) -> list[float]:
        """Milliseconds to the answers since this was last called."""
        times, self._times = self._times, []
        return times

    def _visits(self, first: int) -> Iterator[Iterator[Planned]]:
        return (visit(self._seed, number) for number in count(first))

    def _run(self, what: str, pause: float, work: Callable[[], object]) -> None:
        while not self._stopping.wait(pause):
            try:
                work()
                self.done[what] += 1
            except Exception as error:
                self.done[f"{what}: {type(error).__name__}"] += 1
                self._stopping.wait(1.0)

    def _probe(self, connection: Connection, visits: Iterator[Iterator[Planned]]) -> None:
        for event in islice(next(visits), 20):
            if self._stopping.wait(PROBE_SECONDS) or not connection.open():
                return
            begun = time.monotonic()
            outcome, status = connection.send(event)
            self._times.append((time.monotonic() - begun) * 1000)
            self._note(event, outcome, status)

    def _batch(self, events: list[Planned]) -> None:
        bodies = b",".join(event.body for event in events)
        headers = {**events[0].headers, "content-type": "application/json"}
        status, answer = self._post("/api/events", b"[%b]" % bodies, headers)
        results = json.loads(answer)["results"]
        for event, result in zip(events, results, strict=True):
            self._note(event, RESULTS[result["status"]], status)

    def _bot(self) -> None:
        event = next(visit(self._seed, 0))
        self._post("/api/event", event.body, {**event.headers, "user-agent": BOT})

    def _follow(self) -> None:
        with contextlib.closing(self._server.follow()) as response:
            while not self._stopping.is_set() and (line := response.readline()):
                self.done["followed events"] += line.startswith(b"data:")

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._server.port, timeout=ANSWER_SECONDS
        )
        with contextlib.closing(connection):
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def _note(self, event: Planned, outcome: Outcome, status: int) -> None:
        self._sent.append(event.sent(outcome, status, self._server.port))

"""Traffic besides the usual visitors: one that sends a lot, poison events, large requests."""

import http.client
import json
import threading
from collections.abc import Sequence
from functools import partial
from typing import Final

from tests.chaos.client import ANSWER_SECONDS, Crowd
from tests.chaos.events import Outcome, Sent
from tests.chaos.traffic import Planned, seeded, visit

USUAL: Final = Crowd(visits=partial(visit, poison=0.002))

HOT: Final = Crowd(
    connections=1,
    visitors=1,
    events_per_second=40.0,
    first=900_000,
    visits=partial(visit, length=1_000_000_000),
)
"""A visitor whose visit lasts for the whole run."""

FIRST_LARGE_VISITOR: Final = 800_000
LARGE_BYTES: Final = 900_000
PAUSE_SECONDS: Final = (2.0, 12.0)
PROPS: Final = 28
PROP_BYTES: Final = 1_990
"""Properties of an event of a large batch, close to the limits of number and size."""

_OUTCOMES: Final = {"accepted": Outcome.ACKNOWLEDGED, "dropped": Outcome.DROPPED}


class LargeRequests:
    """A client that sends large requests: batches of large events, and single padded events."""

    def __init__(self, ports: Sequence[int], seed: int) -> None:
        """Create it without starting it.

        Args:
            ports: The ports of the servers, which get the requests in turn.
            seed: Determines the events and the pauses.
        """
        self._ports = ports
        self._seed = seed
        self._stopping = threading.Event()
        self._sent: list[Sent] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> list[Sent]:
        """Stop; return all sent events."""
        self._stopping.set()
        self._thread.join(ANSWER_SECONDS + 5)
        return self._sent

    def _run(self) -> None:
        random = seeded(self._seed, "large")
        number = 0
        while not self._stopping.wait(random.uniform(*PAUSE_SECONDS)):
            port = self._ports[number % len(self._ports)]
            events = list(visit(self._seed, FIRST_LARGE_VISITOR + number))
            if random.random() < 0.5:
                self._send(port, "/api/event", events[:1], padded(events[0]))
            else:
                self._send(port, "/api/events", *large_batch(events))
            number += 1

    def _send(self, port: int, path: str, events: Sequence[Planned], body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        outcomes = [Outcome.UNKNOWN] * len(events)
        status = 0
        try:
            connection.connect()
        except OSError:
            return
        try:
            connection.request("POST", path, body, events[0].headers)
            answer = connection.getresponse()
            outcomes, status = _outcomes(answer, answer.read(), len(events)), answer.status
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        for event, outcome in zip(events, outcomes, strict=True):
            self._sent.append(event.sent(outcome, status, port))


def _outcomes(answer: http.client.HTTPResponse, body: bytes, count: int) -> list[Outcome]:
    if answer.status == 202 and body.startswith(b"{"):
        results = json.loads(body)["results"]
        return [_OUTCOMES.get(result["status"], Outcome.REFUSED) for result in results]
    if answer.status != 202:
        return [Outcome.REFUSED] * count
    dropped = answer.headers["x-plausible-dropped"] is not None
    return [Outcome.DROPPED if dropped else Outcome.ACKNOWLEDGED] * count


def padded(event: Planned) -> bytes:
    fields = json.loads(event.body)
    fields["padding"] = "x" * (LARGE_BYTES - len(event.body))
    return json.dumps(fields).encode()


def large_batch(events: Sequence[Planned]) -> tuple[Sequence[Planned], bytes]:
    items: list[bytes] = []
    size = 0
    for item in map(_filled, events):
        size += len(item) + 1
        if size > LARGE_BYTES:
            break
        items.append(item)
    return events[: len(items)], b"[" + b",".join(items) + b"]"


def _filled(event: Planned) -> bytes:
    fields = json.loads(event.body)
    fields["p"] |= {f"prop-{number}": "y" * PROP_BYTES for number in range(PROPS)}
    return json.dumps(fields).encode()

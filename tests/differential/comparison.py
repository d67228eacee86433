"""Sends the same bytes to a server with the fast path and to one without, and compares them.

The answers are compared byte by byte, then the events that each server's log has taken, and at the
end the rows and the counters that each store has. Beside that, each server's answers must agree
with its own log: whoever stored an event was told so, and the reverse.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import trio
from msgspec.structs import asdict

from ingest.http.fast_path.server import FastPath
from ingest.http.hypercorn.connection import IDLE_SECONDS, LINGER_SECONDS
from ingest.http.hypercorn.server import Server
from ingest.model.event import EnrichedEvent
from ingest.telemetry.metrics import Metrics
from tests.actors.pipeline.running_pipeline import Pipeline, running
from tests.differential.conversations import Conversation
from tests.differential.early import may_be_answered_early
from tests.ingest.http.application import Application

ANSWER_SECONDS: Final = 60.0
"""Only a failure takes so long."""

PATIENCE_SECONDS: Final = 0.05
"""How long a client that keeps its side open waits for the server to close the connection."""

_DATE: Final = re.compile(rb"date: [^\r]+\r\n")
_MADE_ID: Final = re.compile(rb"(?<=\nx-request-id: )[0-9a-f]{16}(?=\r\n)")
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
_FURTHER_DOMAIN: Final = re.compile(rb"(?:com|example),")
_CHUNK_LINE: Final = re.compile(rb"\r\n[0-9a-f]+\r\n")
_CHANGING: Final = frozenset({"timestamp", "received", "nonce"})
_CHANGING_COLUMNS: Final = frozenset({"timestamp", "session_id"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one server made of a conversation.

    Attributes:
        answer: What it sent, without dates and ids of its own.
        stored: The events that its log took, without times and random numbers.
        reset: Whether the connection was reset instead of closed; not compared.
    """

    answer: bytes
    stored: tuple[str, ...]
    reset: bool = field(default=False, compare=False)

    def contradiction(self, conversation: Conversation) -> str:
        """In what the answers disagree with the log; empty if in nothing."""
        whole = _CHUNK_LINE.sub(b"", conversation.sent)
        domains = 1 + len(_FURTHER_DOMAIN.findall(whole))
        accepted = dropped = 0
        for head, body in _answers(self.answer):
            if b" 202 " not in head.partition(b"\r\n")[0]:
                continue
            if body == b"ok":
                accepted += b"x-plausible-dropped" not in head
                dropped += b"x-plausible-dropped" in head
            else:
                counts = json.loads(body)
                accepted += counts["accepted"]
                dropped += counts["dropped"]
        # The log takes an engagement without a session, which the fold then drops.
        if accepted <= len(self.stored) <= domains * (accepted + dropped):
            return ""
        return f"{accepted} accepted and {dropped} dropped, but {len(self.stored)} stored"

    def begins_as(self, other: "Outcome") -> bool:
        """Whether the answers are the same up to the last one of the shorter conversation."""
        ours, theirs = list(_answers(self.answer)), list(_answers(other.answer))
        same = min(len(ours), len(theirs)) - 1
        return same >= 0 and ours[:same] == theirs[:same]


def _answers(received: bytes) -> Iterable[tuple[bytes, bytes]]:
    """The head and the body of each answer."""
    starts = [found.start() for found in _STATUS.finditer(received)]
    for start, end in pairwise((*starts, len(received))):
        head, _, body = received[start:end].partition(b"\r\n\r\n")
        yield head.lower().replace(b"http/1.1", b"HTTP/1.1"), body


@dataclass(frozen=True, slots=True)
class Difference:
    """A conversation that the two servers do not agree on, or one with itself."""

    conversation: Conversation
    why: str
    fast: Outcome | None = None
    slow: Outcome | None = None


@dataclass(slots=True)
class Report:
    """The result of many conversations.

    Attributes:
        pairs: The number of conversations, each with both servers.
        statuses: How often each status was answered, by both.
        stored: The number of events that both stored.
        rows: The number of rows of events that were compared.
        races: The conversations whose answers depended on the order of tasks, see `Pair.compare`.
        differences: What was found.
    """

    pairs: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    stored: int = 0
    rows: int = 0
    races: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add the result of further conversations."""
        self.pairs += other.pairs
        self.statuses += other.statuses
        self.stored += other.stored
        self.rows += other.rows
        self.races += other.races
        self.differences += other.differences


class _Side:
    """One of the two servers, with a pipeline of its own."""

    def __init__(self, directory: Path) -> None:
        self.pipeline = Pipeline(directory)
        self._taken: list[str] = []
        self._port = 0
        self._watch_log()

    def _watch_log(self) -> None:
        append = self.pipeline.log.append

        async def watched(records: Sequence[Any], log_time: int) -> int:
            first = await append(records, log_time)
            for record in records:
                if isinstance(record, EnrichedEvent):
                    fields = asdict(record)
                    self._taken.append(str({key: fields[key] for key in fields.keys() - _CHANGING}))
            return first

        self.pipeline.log.append = watched  # type: ignore[method-assign]

    async def serve(self, nursery: trio.Nursery, *, fast: bool) -> None:
        metrics = Metrics(lambda domain: True)
        application = Application(self.pipeline, trusted="127.0.0.0/8")
        fast_path = FastPath(
            application.endpoint,
            application.batches,
            metrics,
            idle_seconds=IDLE_SECONDS,
            linger_seconds=LINGER_SECONDS,
        )
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server = Server(application.app, listeners, metrics, fast_path if fast else None)
        await nursery.start(server.run)
        self._port = listeners[0].socket.getsockname()[1]

    async def outcome(self, conversation: Conversation) -> Outcome:
        self._taken.clear()
        with trio.fail_after(ANSWER_SECONDS):
            answer, reset = await self._talk(conversation)
        taken, self._taken = self._taken, []
        return Outcome(_MADE_ID.sub(b"made", _DATE.sub(b"", answer)), tuple(sorted(taken)), reset)

    async def _talk(self, conversation: Conversation) -> tuple[bytes, bool]:
        received = bytearray()
        reset = False
        async with (
            await trio.open_tcp_stream("127.0.0.1", self._port) as stream,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(_send, stream, conversation)
            try:
                async for chunk in stream:
                    received += chunk
            except trio.BrokenResourceError:
                reset = True
            nursery.cancel_scope.cancel()
        return bytes(received), reset

    async def rows(self) -> list[dict[str, Any]]:
        """The rows of events that the store has, without times and random numbers."""
        return [
            {key: event[key] for key in event.keys() - _CHANGING_COLUMNS}
            for event in self.pipeline.events()
        ]


async def _send(stream: trio.SocketStream, conversation: Conversation) -> None:
    try:
        for start in range(0, len(conversation.sent), conversation.piece):
            await stream.send_all(conversation.sent[start : start + conversation.piece])
            # The server's tasks read it before the next piece comes.
            for _ in range(3):
                await trio.lowlevel.checkpoint()
        if not conversation.half_close:
            await trio.sleep(PATIENCE_SECONDS)
        await stream.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # closed before everything was read


class Pair:
    """The two servers.

    Attributes:
        even: Whether both have stored the same so far.
        raced: Whether an answer has depended on the order of tasks, and so perhaps a drop.
    """

    def __init__(self, fast: _Side, slow: _Side) -> None:
        """Take them."""
        self._fast, self._slow = fast, slow
        self.even = True
        self.raced = False

    async def compare(self, conversation: Conversation) -> Report:
        """Send the conversation to both.

        They must give the same answers and store the same events. If a request may be answered
        before its body has been read, the order of tasks decides whether the server sees what is
        wrong with the body, and whether it reads the requests behind it: then the answers must be
        the same up to there.
        """
        fast = await self._fast.outcome(conversation)
        slow = await self._slow.outcome(conversation)
        report = Report(1, Counter(map(int, _STATUS.findall(fast.answer))), len(fast.stored))
        whys = [each.contradiction(conversation) for each in (fast, slow)]
        if fast != slow:
            if may_be_answered_early(conversation.sent) and fast.begins_as(slow):
                report.races = 1
                self.raced = True
                self.even = self.even and fast.stored == slow.stored
            else:
                whys.append("they differ")
        if why := "; ".join(filter(None, whys)):
            report.differences.append(Difference(conversation, why, fast, slow))
        return report


@asynccontextmanager
async def open_pair(directory: Path, report: Report) -> AsyncIterator[Pair]:
    """Run both servers; at the end compare what their stores have, unless they are not even.

    Args:
        directory: For their state.
        report: Where the comparison of the rows is added.
    """
    names = ("fast", "slow")
    for name in names:
        (directory / name).mkdir()
    fast = _Side(directory / "fast")
    # The same salts give the same visitor ids.
    shutil.copy(directory / "fast" / "salts.json", directory / "slow" / "salts.json")
    slow = _Side(directory / "slow")
    async with (
        running(fast.pipeline),
        running(slow.pipeline),
        trio.open_nursery() as nursery,
    ):
        await fast.serve(nursery, fast=True)
        await slow.serve(nursery, fast=False)
        pair = Pair(fast, slow)
        yield pair
        nursery.cancel_scope.cancel()
    if not pair.even:
        return
    rows = await fast.rows()
    report.rows += len(rows)
    if rows != await slow.rows():
        report.differences.append(Difference(Conversation(b""), "rows differ"))
    if not pair.raced and fast.pipeline.counted() != slow.pipeline.counted():
        report.differences.append(Difference(Conversation(b""), "counters differ"))


async def compare_all(directory: Path, conversations: Iterator[Conversation]) -> Report:
    """Compare two new servers, until the conversations end or the servers have not stored the same.

    Args:
        directory: For their state.
        conversations: Are sent one after the other.
    """
    report = Report()
    async with open_pair(directory, report) as pair:
        for conversation in conversations:
            report.add(await pair.compare(conversation))
            if not pair.even:
                break
    return report

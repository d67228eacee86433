"""The base class of gate, enrichment and recorder: messages in, results out, in order."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

import structlog
import trio

from actors.supervision.actor import Actor, Queue
from ingest.letters.dead_letter import describe, innermost
from ingest.pipeline.steps import failing_step
from ingest.telemetry.logs import stack_of

log = structlog.get_logger()

In = TypeVar("In")
Out = TypeVar("Out")

RUN_LENGTH = 64
"""Maximum number of messages handled between two checkpoints: few enough to block the loop for only
a few milliseconds, enough to make the 10 to 20 µs of a hop between tasks negligible."""

RUN_SECONDS: Final = 0.002
"""A run ends early after this time, which is looked at after every `RUN_PART` messages: a hostile
user agent takes as long as a hundred ordinary ones."""

RUN_PART: Final = 8

WINDOW: Final = 100
"""Number of messages over which failures are counted. If more than half of them fail, the step is
at fault rather than a message."""

STACK_SECONDS: Final = 60.0
"""Interval at which the stack of an error of the same type and location is logged again."""

_STACKS_REMEMBERED: Final = 100
"""Maximum number of errors remembered as logged; beyond it all are forgotten."""


class Stage(Actor, Generic[In, Out]):
    """An actor that takes runs of messages from one bounded channel and sends runs to the next.

    It owns the messages that are received but not handled, and those that are handled but not sent.
    Both survive a restart. Order is kept.

    If `handle` raises, the message is set aside and the stage continues with the next one. While
    more than half of the last `WINDOW` messages fail, `failing_step` names the step that failed
    last.

    A subclass defines how to handle a message (`handle`), and how to keep a message that cannot be
    handled (`set_aside`).
    """

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[In]],
        outlet: trio.MemorySendChannel[Any] | None,
    ) -> None:
        """Own both channel halves until `close`.

        Args:
            inbox: Runs of messages.
            outlet: Receives runs of results; None for the last stage, which overrides
                `send_handled`.
        """
        self._inbox = inbox
        self._outlet = outlet
        self._waiting: deque[In] = deque()
        self._handled: list[Out] = []
        # Empty while no message of the window has failed, so that counting costs nothing.
        self._window: deque[bool] = deque(maxlen=WINDOW)
        self._failures = 0
        self._stacks: dict[str, float] = {}
        self._sending = False
        self.failing_step: str | None = None

    def handle(self, message: In) -> Out | None:
        """Decide on one message, without a checkpoint.

        Returns:
            The result to send on; None if there is none.
        """
        raise NotImplementedError

    def set_aside(self, message: In, error: Exception | None) -> None:
        """Keep a message that cannot be handled, and answer its sender. Must not raise.

        Args:
            message: The message.
            error: The exception of `handle`; None if the stage no longer runs.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """Handle messages until the channel that feeds this stage ends."""
        while True:
            await self.send_handled()
            self.progress += 1
            if self._waiting:
                await trio.lowlevel.checkpoint()
            elif not await self._receive():
                return
            end = trio.current_time() + RUN_SECONDS
            for _ in range(RUN_LENGTH // RUN_PART):
                self._handle_part()
                if not self._waiting or trio.current_time() > end:
                    break

    def _handle_part(self) -> None:
        waiting, window, handled = self._waiting, self._window, self._handled
        for _ in range(min(RUN_PART, len(waiting))):
            message = waiting.popleft()
            try:
                result = self.handle(message)
            except Exception as error:
                self.fail(message, error)
                continue
            if window:
                self._count(failed=False)
            if result is not None:
                handled.append(result)

    def fail(self, message: In, error: Exception) -> None:
        """Set one message aside that could not be handled."""
        step = step_of(error)
        where = describe(error)
        now = trio.current_time()
        if now >= self._stacks.get(where, now):
            if len(self._stacks) >= _STACKS_REMEMBERED:
                self._stacks.clear()
            self._stacks[where] = now + STACK_SECONDS
            log.error(
                "message failed", actor=self.name, step=step, error=where, stack=stack_of(error)
            )
        self._count(failed=True, step=step)
        try:
            self.set_aside(message, error)
        except Exception:
            self._waiting.appendleft(message)  # A restart tries it again.
            raise

    def _count(self, *, failed: bool, step: str = "") -> None:
        if len(self._window) == WINDOW:
            self._failures -= self._window[0]
        self._window.append(failed)
        self._failures += failed
        if self._failures > WINDOW // 2:
            if self.failing_step is None:
                log.error("most messages fail", actor=self.name, step=step)
            self.failing_step = step or self.failing_step
        elif self.failing_step is not None:
            log.info("messages are handled again", actor=self.name)
            self.failing_step = None
        if not self._failures:
            self._window.clear()

    async def send_handled(self) -> None:
        """Send the results; a second call, after a failure, sends the rest."""
        if self._handled:
            await self.send(tuple(self._handled))
            self._handled.clear()

    async def send(self, run: Any) -> None:
        """Send a run. While there is no room, the next actor has work, not this one."""
        assert self._outlet is not None, "the last stage sends nothing"  # noqa: S101
        try:
            self._outlet.send_nowait(run)  # receiving is a checkpoint, another one would cost more
        except trio.WouldBlock:
            self._sending = True
            try:
                await self._outlet.send(run)
            finally:
                self._sending = False

    async def _receive(self) -> bool:
        """Wait for messages, then take all that are waiting, up to a run's length.

        Returns:
            False if the channel has ended.
        """
        waiting, inbox = self._waiting, self._inbox
        try:
            waiting.extend(await inbox.receive())
            while len(waiting) < RUN_LENGTH:
                waiting.extend(inbox.receive_nowait())
        except trio.WouldBlock:
            pass
        except trio.EndOfChannel:
            return bool(self._waiting)
        return True

    async def give_up(self) -> None:
        """Set aside all further messages; results of handled ones are sent."""
        await self.send_handled()
        while self._waiting or await self._receive():
            while self._waiting:
                self.set_aside(self._waiting.popleft(), None)

    def close(self) -> None:
        """Close both channel halves, so that the next stage finishes its work and ends."""
        self._inbox.close()
        if self._outlet is not None:
            self._outlet.close()

    @property
    def backlog(self) -> int:
        """Number of messages received whose results have not been sent."""
        return len(self._waiting) + len(self._handled)

    @property
    def has_work(self) -> bool:
        """Whether messages wait for this stage and not for the next one."""
        return not self._sending and bool(self.backlog or self.queue.waiting)

    @property
    def queue(self) -> Queue:
        """See `Actor.queue`."""
        return Queue.of(self._inbox)

    @property
    def trouble(self) -> str | None:
        """The step in which most messages fail; None if they do not."""
        return None if self.failing_step is None else f"most messages fail in {self.failing_step}"

    def status(self) -> dict[str, object]:
        """The stage's part of the readiness report."""
        if self.failing_step is None:
            return {"status": "ok"}
        return {"status": "degraded", "failing_step": self.failing_step}


def step_of(error: Exception) -> str:
    """The pipeline step that raised: from the error, or else the innermost function."""
    step = failing_step(error)
    if step is not None:
        return step
    place = innermost(error)
    return "unknown" if place is None else place.tb_frame.f_code.co_name

"""What the gate, enrichment and sessions have in common: messages in, messages on, in order."""

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
"""Messages handled between two checkpoints: few enough to hold the loop for a few milliseconds,
many enough to make the 10 to 20 µs of a hop between tasks negligible."""

WINDOW: Final = 100
"""Messages over which failures are counted; when more than half of them failed, the step rather
than a message is at fault."""

STACK_SECONDS: Final = 60.0
"""How long a stack is not logged again for an error of the same type at the same place."""

_STACKS_REMEMBERED: Final = 100
"""Errors whose stacks are remembered as logged; beyond that all are forgotten."""


class Stage(Actor, Generic[In, Out]):
    """An actor that takes runs of messages from one bounded channel and sends runs to the next.

    It owns the messages taken but not yet handled, and those handled but not yet sent. Both
    survive a restart. Order is kept.

    An exception of `handle` is the message's fault: the message is set aside, and the next one
    follows at once. While more than half of the last `WINDOW` messages fail, `failing_step` names
    the step that failed last.

    A subclass says what happens to one message (`handle`), and what becomes of one that cannot be
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
            outlet: Takes runs of what they become; None for the last stage, which has a
                `send_handled` of its own.
        """
        self._inbox = inbox
        self._outlet = outlet
        self._waiting: deque[In] = deque()
        self._handled: list[Out] = []
        # Empty while no message of the window has failed: counting costs nothing then.
        self._window: deque[bool] = deque(maxlen=WINDOW)
        self._failures = 0
        self._stacks: dict[str, float] = {}
        self._sending = False
        self.failing_step: str | None = None

    def handle(self, message: In) -> Out | None:
        """Decide on one message, without a checkpoint.

        Returns:
            What to send on, or None when the message ends here.
        """
        raise NotImplementedError

    def set_aside(self, message: In, error: Exception | None) -> None:
        """Keep a message that cannot be handled, and answer its sender. Must not raise.

        Args:
            message: The message.
            error: What `handle` raised; None when the stage is no longer running.
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
            for _ in range(min(RUN_LENGTH, len(self._waiting))):
                message = self._waiting.popleft()
                try:
                    handled = self.handle(message)
                except Exception as error:
                    self.fail(message, error)
                    continue
                if self._window:
                    self._count(failed=False)
                if handled is not None:
                    self._handled.append(handled)

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
            self._waiting.appendleft(message)  # a restart tries it again
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
        """Send on what is handled; a second call, after a failure, sends what is left."""
        if self._handled:
            await self.send(tuple(self._handled))
            self._handled.clear()

    async def send(self, run: Any) -> None:
        """Send a run on. While there is no room, it is the next actor that has work to do."""
        assert self._outlet is not None, "the last stage sends nothing"  # noqa: S101
        self._sending = True
        try:
            await self._outlet.send(run)
        finally:
            self._sending = False

    async def _receive(self) -> bool:
        """Wait for messages, then take what else is there, up to a run's length.

        Returns:
            False when the channel has ended.
        """
        try:
            self._waiting.extend(await self._inbox.receive())
            while len(self._waiting) < RUN_LENGTH:
                self._waiting.extend(self._inbox.receive_nowait())
        except trio.WouldBlock:
            pass
        except trio.EndOfChannel:
            return bool(self._waiting)
        return True

    async def give_up(self) -> None:
        """Set aside all messages to come; those already handled are sent on."""
        await self.send_handled()
        while self._waiting or await self._receive():
            while self._waiting:
                self.set_aside(self._waiting.popleft(), None)

    def close(self) -> None:
        """Close both channel halves: the next stage finishes what it has and ends, too."""
        self._inbox.close()
        if self._outlet is not None:
            self._outlet.close()

    @property
    def backlog(self) -> int:
        """Messages taken or handled that have not been sent on."""
        return len(self._waiting) + len(self._handled)

    @property
    def has_work(self) -> bool:
        """Whether messages wait for this stage, and not for the next one."""
        return not self._sending and bool(self.backlog or self.queue.waiting)

    @property
    def queue(self) -> Queue:
        """See `Actor.queue`."""
        return Queue.of(self._inbox)

    @property
    def trouble(self) -> str | None:
        """Which step most messages fail in; None when they do not."""
        return None if self.failing_step is None else f"most messages fail in {self.failing_step}"

    def status(self) -> dict[str, object]:
        """What readiness says of it."""
        if self.failing_step is None:
            return {"status": "ok"}
        return {"status": "degraded", "failing_step": self.failing_step}


def step_of(error: Exception) -> str:
    """The name of the pipeline's step that raised: as the error says, or its innermost function."""
    step = failing_step(error)
    if step is not None:
        return step
    place = innermost(error)
    return "unknown" if place is None else place.tb_frame.f_code.co_name

"""What the gate, enrichment and sessions have in common: messages in, messages on, in order."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import trio

from actors.supervision.actor import Actor

In = TypeVar("In")
Out = TypeVar("Out")

RUN_LENGTH = 64
"""Messages handled between two checkpoints: few enough to hold the loop for a few milliseconds,
many enough to make the 10 to 20 µs of a hop between tasks negligible."""


class Stage(Actor, Generic[In, Out]):
    """An actor that takes runs of messages from one bounded channel and sends runs to the next.

    It owns the messages taken but not yet handled, and those handled but not yet sent. Both
    survive a restart, so a failing message costs no other. Order is kept.

    A subclass says what happens to one message (`handle`), and what becomes of one that cannot be
    handled (`set_aside`).
    """

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[In]],
        outlet: trio.MemorySendChannel[Any],
    ) -> None:
        """Own both channel halves until `close`.

        Args:
            inbox: Runs of messages.
            outlet: Takes runs of what they become, in the form that `send_handled` gives them.
        """
        self._inbox = inbox
        self._outlet = outlet
        self._waiting: deque[In] = deque()
        self._handled: list[Out] = []
        self._handling = False

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
            if self._waiting:
                await trio.lowlevel.checkpoint()
            elif not await self._receive():
                return
            for _ in range(min(RUN_LENGTH, len(self._waiting))):
                self._handling = True
                message = self.handle(self._waiting[0])
                self._handling = False
                self._waiting.popleft()
                if message is not None:
                    self._handled.append(message)

    async def send_handled(self) -> None:
        """Send on what is handled; a second call, after a failure, sends what is left."""
        if self._handled:
            await self._outlet.send(tuple(self._handled))
            self._handled.clear()

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

    def failed(self, error: Exception) -> None:
        """Take the message out of the way whose handling failed, if that is what failed."""
        if self._handling:
            self._handling = False
            self.set_aside(self._waiting.popleft(), error)

    async def give_up(self) -> None:
        """Set aside all messages to come; those already handled are sent on."""
        await self.send_handled()
        while self._waiting or await self._receive():
            while self._waiting:
                self.set_aside(self._waiting.popleft(), None)

    def close(self) -> None:
        """Close both channel halves: the next stage finishes what it has and ends, too."""
        self._inbox.close()
        self._outlet.close()

    @property
    def backlog(self) -> int:
        """Messages taken or handled that have not been sent on."""
        return len(self._waiting) + len(self._handled)

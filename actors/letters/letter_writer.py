"""Writes dead letters to disk, and picks up changes made by other processes."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

import structlog
import trio

from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_queue import Waiting
from actors.supervision.actor import Actor

log = structlog.get_logger()

BATCH: Final = 64
"""Maximum number of letters written with one sync of their directory."""

SCAN_SECONDS: Final = 2.0
"""How often the server checks for changes made by the command line."""

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 1.0
"""Longest delay in seconds before a batch that failed completely is retried; delays double up to
it."""

GIVE_UP_SECONDS: Final = 5.0
"""How long a write is retried; the sender of the event waits for the answer."""

PROBLEM_SECONDS: Final = 60.0
"""How long a problem is reported if no letter has been written since."""


class LetterWriter(Actor):
    """The actor that owns the letters' files.

    Takes queued letters from `DeadLetters`, writes them in a thread, and calls their callbacks. A
    failed write is retried for a few seconds. A restart continues with the queue.
    """

    name = "letters"

    def __init__(self, letters: DeadLetters) -> None:
        """Write the letters of an index, which must have been loaded."""
        self._letters = letters
        self._failures = 0
        self._failed_at = -math.inf
        self._stamp: int | None = None
        self._stamp_seen = 0

    @property
    def has_work(self) -> bool:
        """Whether anything is queued."""
        return bool(self._letters.waiting or self._letters.changes)

    async def run(self) -> None:
        """Write letters and check for changes, forever."""
        letters = self._letters
        next_scan = trio.current_time() + SCAN_SECONDS
        while True:
            if letters.waiting:
                await self._write()
            while letters.changes:
                await self._change()
            if trio.current_time() >= next_scan:
                await self._scan()
                next_scan = trio.current_time() + SCAN_SECONDS
            if self._failures and letters.waiting:
                doubled = FIRST_DELAY * (1 << min(self._failures - 1, 30))
                await trio.sleep(min(doubled, LONGEST_DELAY))
            else:
                with trio.move_on_at(next_scan):
                    await letters.work_to_do()

    async def give_up(self) -> None:
        """Continue: letters made during the drain must still be written."""
        await self.run()

    async def _write(self) -> None:
        """Write a batch; give up letters that have failed for too long."""
        letters = self._letters
        batch = list(islice(letters.waiting.values(), BATCH))
        writings = [waiting.writing for waiting in batch]
        outcomes = await letters.thread.call(lambda: letters.directory.write(writings))
        self.progress += 1
        kept: Counter[tuple[str, str]] = Counter()
        problem: OSError | None = None
        for waiting, failure in zip(batch, outcomes, strict=True):
            letter = waiting.writing.letter
            if isinstance(failure, OSError):
                problem = failure
                waiting.failed_at = waiting.failed_at or trio.current_time()
                letters.waiting[letter.id] = letters.waiting.pop(letter.id)  # behind the others
                continue
            if failure is None:
                kept[letter.actor, letter.error] += 1
            letters.take_out(waiting, failure)
        for (actor, error), number in kept.items():
            log.error("dead letters kept", actor=actor, error=error, letters=number)
        if problem is None:
            self._failures = 0
            letters.problem = None
        else:
            await self._put_off(problem, batch if kept else list(letters.waiting.values()))

    async def _put_off(self, problem: OSError, failing: Sequence[Waiting]) -> None:
        """Keep letters for a retry; give up those that have failed for too long.

        Args:
            problem: The error of the disk.
            failing: Letters that failed, or would have failed.
        """
        now = trio.current_time()
        if self._letters.problem is None:
            log.error("dead letters cannot be written", error=str(problem))
        self._letters.problem = str(problem)
        self._failed_at = now
        self._failures += 1
        given_up = 0
        for waiting in failing:
            waiting.failed_at = now if waiting.failed_at is None else waiting.failed_at
            if not waiting.over and now >= waiting.failed_at + GIVE_UP_SECONDS:
                self._letters.take_out(waiting, problem)
                given_up += 1
                if given_up % BATCH == 0:
                    await trio.lowlevel.checkpoint()

    async def _change(self) -> None:
        change = self._letters.changes[0]
        await self._letters.thread.call(change.act)
        self._letters.changes.popleft()
        self.progress += 1

    async def _scan(self) -> None:
        """Pick up changes made by other processes.

        The directory's modification time shows changes, except those within the same clock tick as
        the last scan. So the directory is scanned twice after each change.
        """
        letters = self._letters
        if not letters.waiting and trio.current_time() >= self._failed_at + PROBLEM_SECONDS:
            letters.problem = None
        try:
            stamp = await letters.thread.call(letters.directory.stamp)
            self._stamp_seen = self._stamp_seen + 1 if stamp == self._stamp else 0
            self._stamp = stamp
            if self._stamp_seen < 2:
                letters.apply(await letters.thread.call(letters.directory.scan))
        except OSError as error:
            log.error("dead letters cannot be looked at", error=str(error))

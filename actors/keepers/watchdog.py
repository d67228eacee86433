"""Finds actors that have work and make no progress."""

from collections.abc import Iterator
from typing import Final

import structlog
import trio

from actors.supervision.actor import Actor
from actors.supervision.supervisor import Condition, Supervisor, Watch

log = structlog.get_logger()

LOOK_SECONDS: Final = 5.0

STUCK_SECONDS: Final = 30.0
"""How long an actor with work may make no progress, in addition to its `longest_wait`."""


class Watchdog(Actor):
    """The actor that watches the progress of the others. Receives and sends nothing.

    It restarts nothing: a stuck actor holds messages, and a second task would get stuck as well. It
    logs once which actor is stuck and where it waits. Readiness reports it as long as it lasts.
    """

    name = "watchdog"

    def __init__(self, supervisor: Supervisor) -> None:
        """Watch all actors of a supervisor."""
        self._supervisor = supervisor

    async def run(self) -> None:
        """Check forever."""
        while True:
            now = trio.current_time()
            for name, watch in self._supervisor.watches.items():
                self._look(name, watch, now)
            await trio.sleep(LOOK_SECONDS)

    def _look(self, name: str, watch: Watch, now: float) -> None:
        actor = watch.actor
        running = watch.condition is Condition.RUNNING
        if not running or not actor.has_work or actor.progress != watch.progress:
            if watch.stuck:
                log.info("actor goes on", actor=name, seconds=round(now - watch.progress_at))
            watch.progress, watch.progress_at, watch.stuck = actor.progress, now, False
        elif not watch.stuck and now >= watch.progress_at + STUCK_SECONDS + actor.longest_wait:
            watch.stuck = True
            log.error(
                "actor is stuck",
                actor=name,
                progress=watch.progress,
                seconds=round(now - watch.progress_at),
                stack="" if watch.task is None else "\n".join(stack_of_task(watch.task)),
            )


def stack_of_task(task: trio.lowlevel.Task, indent: str = "") -> Iterator[str]:
    """The stack of a waiting task, outermost first, and those of its child tasks."""
    for frame, line in task.iter_await_frames():
        code = frame.f_code
        yield f'{indent}  File "{code.co_filename}", line {line}, in {code.co_name}'
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda child: child.name):
            yield f"{indent}  {child.name}:"
            yield from stack_of_task(child, f"{indent}  ")

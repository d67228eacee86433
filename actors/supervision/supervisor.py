"""Restarts actors that fail, one for one, and gives up when they fail too often."""

import enum
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import structlog
import trio

from actors.supervision.actor import Actor
from ingest.telemetry.logs import stack_of
from ingest.telemetry.metrics import Figure

log = structlog.get_logger()


class Condition(enum.Enum):
    """What an actor is doing, as readiness reports it."""

    RUNNING = "running"
    RESTARTING = "restarting"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(slots=True)
class Watch:
    """What the supervisor knows of one actor.

    Attributes:
        actor: The actor.
        task: What runs it; None before it runs.
        condition: What it is doing.
        restarts: How often it was restarted since the start of the process.
        last_error: Type of the last exception; None when there was none.
        failed_at: When that was, on trio's clock.
        progress: The actor's progress as it was last seen to change.
        progress_at: When that was, or when it last had no work, on trio's clock.
        stuck: Whether it has made none for too long since.
    """

    actor: Actor
    task: trio.lowlevel.Task | None = None
    condition: Condition = Condition.RUNNING
    restarts: int = 0
    last_error: str | None = None
    failed_at: float | None = None
    progress: int = 0
    progress_at: float = field(default_factory=trio.current_time)
    stuck: bool = False
    done: trio.Event = field(default_factory=trio.Event)

    @property
    def trouble(self) -> str | None:
        """What is wrong with a running actor; None when nothing is."""
        if self.stuck:
            return f"no progress for {round(trio.current_time() - self.progress_at)} seconds"
        return self.actor.trouble


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How failing actors are restarted.

    Attributes:
        intensity: Restarts allowed within `period`, all actors together; one more is fatal.
        period: Seconds.
        first_delay: Seconds to wait before the first restart; doubled for each that follows within
            `period`, with up to half as much again added at random.
        longest_delay: Seconds, the limit of that doubling.
    """

    intensity: int = 10
    period: float = 60.0
    first_delay: float = 0.05
    longest_delay: float = 5.0


class Supervisor:
    """Runs actors in a nursery and restarts each that raises.

    An actor whose `run` returns has finished. One that raises `Exception` is restarted after a
    back-off. When there were more restarts than the policy allows, `fatal` is set: the owner drains
    the pipeline and ends the process, while actors that fail from then on `give_up`.
    """

    def __init__(
        self,
        policy: RestartPolicy | None = None,
        *,
        on_restart: Callable[[str], None] = lambda name: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Set up without starting anything; must be called inside `trio.run`.

        Args:
            policy: How to restart.
            on_restart: Told the actor's name at each restart.
            jitter: Gives numbers from 0 to 1.
        """
        self.policy = policy or RestartPolicy()
        self.fatal = trio.Event()
        self.watches: dict[str, Watch] = {}
        self._on_restart = on_restart
        self._jitter = jitter
        self._restarts: deque[float] = deque()

    async def supervise(
        self, actor: Actor, *, task_status: trio.TaskStatus[Watch] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep one actor running until it finishes, then close its channels.

        When cancelled, the channels stay open: the owner may take out what is left in them.
        """
        watch = self.watches[actor.name] = Watch(actor, trio.lowlevel.current_task())
        task_status.started(watch)
        failures: deque[float] = deque()
        while True:
            try:
                await (actor.give_up() if watch.condition is Condition.FAILED else actor.run())
            except Exception as error:
                delay = self._record(actor, watch, failures, error)
            else:
                break
            await trio.sleep(delay)
            if watch.condition is Condition.RESTARTING:
                watch.condition = Condition.RUNNING
        if watch.condition is Condition.RUNNING:
            watch.condition = Condition.FINISHED
        actor.close()
        watch.done.set()

    def _record(
        self, actor: Actor, watch: Watch, failures: deque[float], error: Exception
    ) -> float:
        """Note a failure.

        Returns:
            Seconds to wait before the actor runs again.
        """
        now = trio.current_time()
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        watch.last_error, watch.failed_at = type(error).__name__, now
        log.error("actor failed", actor=actor.name, error=watch.last_error, stack=stack_of(error))
        try:
            actor.failed(error)
        except Exception as second:
            # The next run meets the same message: if it fails for good, the process ends in order.
            log.critical("failure not dealt with", actor=actor.name, stack=stack_of(second))
        for times in (failures, self._restarts):
            times.append(now)
            while times[0] < now - self.policy.period:
                times.popleft()
        if len(self._restarts) > self.policy.intensity and not self.fatal.is_set():
            log.critical("actors fail too often, giving up", restarts=len(self._restarts))
            self.fatal.set()
        if self.fatal.is_set():
            watch.condition = Condition.FAILED
        else:
            watch.condition = Condition.RESTARTING
            watch.restarts += 1
            self._on_restart(actor.name)
        doubled = self.policy.first_delay * (1 << min(len(failures) - 1, 30))
        return min(doubled, self.policy.longest_delay) * (1 + self._jitter() / 2)

    @property
    def healthy(self) -> bool:
        """Whether no actor has failed for good."""
        return not self.fatal.is_set()

    def status(self) -> dict[str, object]:
        """What readiness says of the actors: one in trouble makes it `degraded`."""
        parts = {name: _status(watch) for name, watch in self.watches.items()}
        troubled = any("trouble" in part for part in parts.values())
        return {
            "status": "down" if not self.healthy else "degraded" if troubled else "ok",
            **parts,
        }

    def figures(self) -> Iterator[Figure]:
        """What `/metrics` shows of the actors, besides the restarts, which are counted."""
        yield Figure(
            "sluice_actors_in_trouble",
            "Actors that are stuck, or most of whose messages fail.",
            lambda: sum(watch.trouble is not None for watch in self.watches.values()),
        )


def _status(watch: Watch) -> dict[str, object]:
    status: dict[str, object] = {"condition": watch.condition.value, "restarts": watch.restarts}
    if watch.trouble is not None:
        status["trouble"] = watch.trouble
    return status

"""Restarts failed actors individually, and gives up if they fail too often."""

import enum
import random
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import structlog
import trio

from actors.supervision.actor import Actor
from ingest.telemetry.logs import stack_of

log = structlog.get_logger()


class Condition(enum.Enum):
    """The state of an actor in readiness reports."""

    RUNNING = "running"
    RESTARTING = "restarting"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(slots=True)
class Watch:
    """The supervisor's record of one actor.

    Attributes:
        actor: The actor.
        task: The task that runs it; None before the first run.
        condition: Its state.
        restarts: Number of restarts since the start of the process.
        last_error: Type of the last exception; None if there was none.
        failed_at: Time of the last exception, on trio's clock.
        progress: The actor's progress at its last observed change.
        progress_at: Time of that change, or when it last had no work, on trio's clock.
        stuck: Whether it has made no progress for too long since then.
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
        """A problem of a running actor; None if there is none."""
        if self.stuck:
            return f"no progress for {round(trio.current_time() - self.progress_at)} seconds"
        return self.actor.trouble


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How failed actors are restarted.

    Attributes:
        intensity: Restarts of all actors allowed within `period`; one more is fatal.
        period: Seconds.
        first_delay: Seconds before the first restart. Doubled for each further restart within
            `period`, plus random jitter of up to half the delay.
        longest_delay: Upper limit of the delay in seconds.
    """

    intensity: int = 10
    period: float = 60.0
    first_delay: float = 0.05
    longest_delay: float = 5.0


class Supervisor:
    """Runs actors in a nursery and restarts those that raise.

    An actor whose `run` returns has finished. An actor that raises `Exception` is restarted after a
    back-off. After more restarts than the policy allows, `fatal` is set: the owner drains the
    pipeline and ends the process, and actors that fail from then on `give_up`.
    """

    def __init__(
        self,
        policy: RestartPolicy | None = None,
        *,
        on_restart: Callable[[str], None] = lambda name: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Create the supervisor without starting anything; call it inside `trio.run`.

        Args:
            policy: How to restart.
            on_restart: Called with the actor's name at each restart.
            jitter: Returns random numbers from 0 to 1.
        """
        self.policy = policy or RestartPolicy()
        self.fatal = trio.Event()
        self.watches: dict[str, Watch] = {}
        self._on_restart = on_restart
        self._jitter = jitter
        self._restarts: deque[float] = deque()

    async def supervise(
        self,
        actor: Actor,
        *,
        name: str | None = None,
        task_status: trio.TaskStatus[Watch] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Keep one actor running until it finishes, then close its channels.

        If cancelled, the channels stay open, so that the owner can take out the remaining messages.

        Args:
            actor: The actor.
            name: Its name in reports, where several actors have the same one; its own by default.
            task_status: Told the watch when the actor starts.
        """
        name = name or actor.name
        watch = self.watches[name] = Watch(actor, trio.lowlevel.current_task())
        task_status.started(watch)
        failures: deque[float] = deque()
        while True:
            try:
                await (actor.give_up() if watch.condition is Condition.FAILED else actor.run())
            except Exception as error:
                delay = self._record(name, watch, failures, error)
            else:
                break
            await trio.sleep(delay)
            if watch.condition is Condition.RESTARTING:
                watch.condition = Condition.RUNNING
        if watch.condition is Condition.RUNNING:
            watch.condition = Condition.FINISHED
        actor.close()
        watch.done.set()

    def forget(self, name: str) -> None:
        """Remove an actor that has ended, and will not come back, from the reports."""
        self.watches.pop(name, None)

    def _record(self, name: str, watch: Watch, failures: deque[float], error: Exception) -> float:
        """Record a failure.

        Returns:
            Seconds to wait before the actor runs again.
        """
        now = trio.current_time()
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        watch.last_error, watch.failed_at = type(error).__name__, now
        log.error("actor failed", actor=name, error=watch.last_error, stack=stack_of(error))
        try:
            watch.actor.failed(error)
        except Exception as second:
            # The next run gets the same message. If it keeps failing, the process ends in order.
            log.critical("failure not dealt with", actor=name, stack=stack_of(second))
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
            self._on_restart(name)
        doubled = self.policy.first_delay * (1 << min(len(failures) - 1, 30))
        return min(doubled, self.policy.longest_delay) * (1 + self._jitter() / 2)

    @property
    def healthy(self) -> bool:
        """Whether no actor has failed permanently."""
        return not self.fatal.is_set()

    def status(self) -> dict[str, object]:
        """The actors' part of the readiness report; an actor with a problem makes it `degraded`."""
        parts = {name: _status(watch) for name, watch in self.watches.items()}
        troubled = any("trouble" in part for part in parts.values())
        return {
            "status": "down" if not self.healthy else "degraded" if troubled else "ok",
            **parts,
        }

    def queues(self) -> dict[str, float]:
        """How many runs wait, by actor."""
        queues = {name: watch.actor.queue for name, watch in self.watches.items()}
        return {name: queue.waiting for name, queue in queues.items() if queue is not None}

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
        troubled = sum(watch.trouble is not None for watch in self.watches.values())
        return {"sluice_actors_in_trouble": troubled}


def _status(watch: Watch) -> dict[str, object]:
    status: dict[str, object] = {"condition": watch.condition.value, "restarts": watch.restarts}
    if watch.trouble is not None:
        status["trouble"] = watch.trouble
    if watch.failed_at is not None:
        status["last_error"] = watch.last_error
        status["seconds_since_failure"] = round(trio.current_time() - watch.failed_at, 1)
    if watch.actor.queue is not None:
        status |= asdict(watch.actor.queue)
    return status

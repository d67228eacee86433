"""`python -m tests.chaos.faulty_server serve`: `sluice serve` with faults that signals trigger.

SIGUSR1 makes one call, the next of `FAILING` in turn, fail with an unexpected exception. SIGUSR2
makes the stages fail repeatedly between messages, until the supervisor gives up. `signal_of` a
moment makes the process kill itself at that moment, like `kill -9`.
"""

# isort: off
import tests.end_to_end.moved_clock  # noqa: F401 - before anything that reads the time

# isort: on
import functools
import inspect
import itertools
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from actors.cluster.checkpoint_topic import WrittenCheckpoint as TopicCheckpoint
from actors.cluster.worker import Worker
from actors.log.checkpoint_file import WrittenCheckpoint
from actors.log.file_log import FileLog
from actors.log.kafka_log import KafkaLog
from actors.pipeline.enrichment import Enrichment
from actors.pipeline.gate import Gate
from actors.pipeline.recorder import Recorder
from actors.pipeline.sessions import Sessions
from actors.stores.clickhouse import ClickHouseStore
from actors.stores.embedded import EmbeddedStore
from ingest.cli import main
from ingest.fold.fold import Fold
from ingest.model.event import EnrichedEvent
from ingest.records.record import Record
from tests.chaos.moments import MOMENTS, SELDOM, signal_of
from tests.chaos.traffic import POISON

AGAIN_AND_AGAIN: Final = 0.3
"""Share of runs at which a stage fails after SIGUSR2. If all failed, the first actor would pass
nothing to the others, and its back-off alone takes long."""

LATEST_CALL: Final = 3
"""Maximum number of the call at which a moment occurs. Rows of sessions, events and counters
alternate, so it is one of the first three calls."""

OUTLET: Final = "outlet"
FAILING: Final = ("gate", "enrichment", "sessions", "insert", "prepare", "append")


class Sabotage:
    """The pending failures and kills."""

    def __init__(self) -> None:
        """Start without any."""
        self._failures: Counter[str] = Counter()
        self._calls_left: dict[str, int] = {}
        self._share = 0.0
        self._random = random.Random(os.getpid())  # noqa: S311 - not secret
        # Use the process id, so that not every process begins with the same call.
        turn = os.getpid() % len(FAILING)
        self._turns = itertools.cycle(FAILING[turn:] + FAILING[:turn])

    def listen(self) -> None:
        """Handle the signals from now on."""

        def fail_once(number: int, frame: FrameType | None) -> None:
            self._failures[next(self._turns)] += 1

        def fail_often(number: int, frame: FrameType | None) -> None:
            self._share = AGAIN_AND_AGAIN

        def die_at(number: int, frame: FrameType | None) -> None:
            moment = MOMENTS[number - signal_of(MOMENTS[0])]
            latest = 1 if moment in SELDOM else LATEST_CALL
            self._calls_left[moment] = self._random.randint(1, latest)

        signal.signal(signal.SIGUSR1, fail_once)
        signal.signal(signal.SIGUSR2, fail_often)
        for moment in MOMENTS:
            signal.signal(signal_of(moment), die_at)

    def install(self, owner: type, method: str, name: str) -> None:
        """Make a method fail, or kill the process before or after it, when that is due.

        Args:
            owner: The method's class.
            method: The method's name.
            name: Its name in `FAILING` and `MOMENTS`.
        """
        original: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(original)
        def call(*arguments: Any, **options: Any) -> Any:
            self._begin(name)
            result = original(*arguments, **options)
            self._die_if_due(f"after {name}")
            return result

        @functools.wraps(original)
        async def call_async(*arguments: Any, **options: Any) -> Any:
            self._begin(name)
            result = await original(*arguments, **options)
            self._die_if_due(f"after {name}")
            return result

        setattr(owner, method, call_async if inspect.iscoroutinefunction(original) else call)

    def _begin(self, name: str) -> None:
        self._die_if_due(f"before {name}")
        if self._failures[name]:
            self._failures[name] -= 1
        elif name != OUTLET or self._random.random() >= self._share:
            return
        raise ZeroDivisionError("injected")

    def _die_if_due(self, moment: str) -> None:
        if moment in self._calls_left:
            self._calls_left[moment] -= 1
            if self._calls_left[moment] == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def install_faults() -> None:
    """Let signals trigger faults from now on."""
    sabotage = Sabotage()
    sabotage.install(Gate, "handle", Gate.name)
    sabotage.install(Enrichment, "handle", Enrichment.name)
    sabotage.install(Fold, "take", "sessions")
    for stage in (Gate, Enrichment, Recorder):
        sabotage.install(stage, "send_handled", OUTLET)
    sabotage.install(Sessions, "_send", OUTLET)
    for store in (EmbeddedStore, ClickHouseStore):
        sabotage.install(store, "insert", "insert")
    for log in (FileLog, KafkaLog):
        for method in ("append", "prepare", "commit", "retire"):
            if hasattr(log, method):
                sabotage.install(log, method, method)
    for checkpoint in (WrittenCheckpoint, TopicCheckpoint):
        sabotage.install(checkpoint, "publish", "checkpoint")
    sabotage.listen()
    _poison()
    # So often that some are saved in a short run, and so seldom that some are old.
    interval = random.Random(os.getpid()).choice((5.0, 20.0, 120.0))  # noqa: S311 - not secret
    defaults = Worker.__init__.__kwdefaults__
    assert defaults is not None
    defaults["checkpoint_seconds"] = interval


def _poison() -> None:
    """Have the fold fail at each poison event, in all processes alike."""
    take = Fold.take

    def fail_at_poison(fold: Fold, record: Record) -> object:
        if isinstance(record, EnrichedEvent) and record.name == POISON:
            raise ZeroDivisionError("poison")
        return take(fold, record)

    Fold.take = fail_at_poison  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    install_faults()
    sys.argv[0] = "sluice"
    main()

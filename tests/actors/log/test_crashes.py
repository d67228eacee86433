import shutil
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.log.file_log import FileLog
from actors.log.log import LogFullError, LogPoint
from tests.actors.log.files import kill, open_log, segment_paths
from tests.actors.log.records import COUNTS, events
from tests.actors.log.writable_checks import read_numbers, read_runs
from tests.examples import NOON


class Crashes(RuleBasedStateMachine):
    """Any order of appends, progress, retirement, clean ends, crashes and torn tails.

    What is known: all events acknowledged to clients, in order; how far the store has come.
    """

    tmp: pytest.TempPathFactory

    @initialize()
    def begin(self) -> None:
        self.directory = self.tmp.mktemp("crashes")
        self.log = self.open()
        self.accepted = 0
        self.committed = self.prepared = LogPoint(0, 0)
        self.checkpoint = 0

    def open(self) -> FileLog:
        return open_log(self.directory, limit_bytes=200_000, fsync="never")

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return trio.run(function, *arguments)

    @rule(count=st.integers(1, 40), counts=st.integers(0, 2))
    def append(self, count: int, counts: int) -> None:
        records = [*events(self.accepted, self.accepted + count), *[COUNTS] * counts]
        try:
            self.run(self.log.append, records, NOON)
        except LogFullError:
            return
        self.accepted += count

    @precondition(lambda self: self.log.end > self.committed)
    @rule(data=st.data())
    def prepare(self, data: st.DataObject) -> None:
        runs = self.run(read_runs, self.log, self.committed.position)
        run = data.draw(st.sampled_from(runs))
        self.prepared = LogPoint(run.end, run.number + run.events)
        self.run(self.log.prepare, self.prepared, self.committed)

    @precondition(lambda self: self.log.prepared is not None)
    @rule()
    def commit(self) -> None:
        self.committed = self.prepared
        self.run(self.log.commit, self.committed)

    @rule()
    def retire(self) -> None:
        self.checkpoint = self.log.end.position
        self.log.retire(self.checkpoint)

    @rule(clean=st.booleans(), garbage=st.binary(max_size=60))
    def restart(self, clean: bool, garbage: bytes) -> None:
        before = self.log
        if clean:
            before.close()
        else:
            kill(before)
            # A run that was being written, whose sender was never told.
            with segment_paths(self.directory)[-1].open("ab") as file:
                file.write(garbage)
        self.log = self.open()
        assert self.log.id == before.id
        assert self.log.prepared == before.prepared
        assert self.log.lost == 0
        assert (self.log.source_id == before.source_id) == clean

    @invariant()
    def everything_is_there(self) -> None:
        assert self.log.end.number == self.accepted
        assert self.log.committed == self.committed
        needed = min(self.committed.position, self.checkpoint)
        assert self.log.first <= max(needed, self.log.end.position - 1)
        read = self.run(read_numbers, self.log, self.committed.position)
        assert read == list(range(self.committed.number, self.accepted))

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            shutil.rmtree(self.directory)


@pytest.fixture(scope="module", autouse=True)
def _directories(tmp_path_factory: pytest.TempPathFactory) -> None:
    Crashes.tmp = tmp_path_factory


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

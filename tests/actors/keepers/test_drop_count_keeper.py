from pathlib import Path

import trio
from trio.testing import MockClock

from actors.keepers.drop_count_keeper import APPEND_SECONDS, DropCountKeeper
from ingest.model.verdict import DropReason, Verdict
from tests.actors.pipeline.test_recorder import RunRecorder
from tests.examples import an_event

BOT = Verdict(DropReason.BOT)


async def test_counts_are_appended_every_few_seconds(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    running = RunRecorder(tmp_path)
    nursery.start_soon(DropCountKeeper(running.recorder).run)
    ends: list[int] = []
    for drops in (2, 0, 1):
        for _ in range(drops):
            running.verdicts.drop(an_event(), BOT)
        await trio.sleep(APPEND_SECONDS + 0.1)
        ends.append(running.log.end.position)
    assert ends == [2, 2, 3]
    assert await running.counted() == {"dropped_bot": 3}

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from actors.cluster.membership import Holding
from actors.cluster.topic_reader import TopicMessage
from actors.log import kafka_log
from actors.log.kafka_log import KafkaLog
from actors.log.log import LogError, LogPoint
from ingest.engine.message import encode_message
from ingest.engine.plan import decode_plan
from ingest.records.encoding import encode
from ingest.records.record import Record
from tests.actors.log.checks import CHECKS, Check, take
from tests.actors.log.records import COUNTS, events, numbers
from tests.actors.log.scripted_group import HOLDING, ScriptedGroup, a_note, place, plans, point
from tests.examples import NOON


def a_log(group: ScriptedGroup, first: int = 0, start: int = 0) -> KafkaLog:
    return KafkaLog(
        group,
        HOLDING,
        group,
        group,
        a_note(group, start),
        cluster_id="0123456789abcdef",
        first=64 * first,
        start=point(start),
    )


def a_message(offset: int, records: Sequence[Record]) -> TopicMessage:
    entries = [(number, *encode(record)) for number, record in enumerate(records)]
    return TopicMessage(offset, NOON + offset, None, encode_message(7, entries))


class PartitionSupply(ScriptedGroup):
    """Supplies a partition's log with messages, from where it starts to read."""

    FIRST = 5

    def __init__(self) -> None:
        super().__init__()
        self.log = a_log(self, start=self.FIRST)
        self._messages: list[TopicMessage] = []
        self._next = 0

    async def add(self, records: Sequence[Record], log_time: int = NOON) -> None:
        offset = self.FIRST + len(self._messages)
        self._messages.append(a_message(offset, records)._replace(timestamp=log_time))
        if self.starts:
            self._deliver()
        await trio.lowlevel.checkpoint()

    def start(self, holding: Holding, offset: int) -> int:
        self._next = offset - self.FIRST
        trio.lowlevel.current_trio_token().run_sync_soon(self._deliver)
        return super().start(holding, offset)

    def _deliver(self) -> None:
        self.log.received(len(self.starts), self._messages[self._next :])
        self._next = len(self._messages)

    def end(self) -> None:
        self.log.stop()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_it_is_a_log(check: Check) -> None:
    await check(PartitionSupply())


async def test_each_message_takes_all_of_its_positions(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    log = a_log(group)
    with trio.move_on_after(1):
        await log.read(0)
    log.received(1, [a_message(0, [*events(0, 2), COUNTS]), a_message(1, events(2, 3))])
    assert (log.end.position, log.first, log.id) == (128, 0, "0123456789abcdef-3")
    assert [(run.first, run.end) for run in await take(log, 0, 2)] == [(0, 64), (64, 128)]
    assert log.end == LogPoint(128, 3)
    assert group.starts == [0]


async def test_messages_of_an_earlier_start_are_not_taken(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    log = a_log(group)
    log.received(1, [a_message(0, events(0, 1))])
    with trio.move_on_after(1):
        await log.read(0)
    with trio.move_on_after(1):
        await log.read(64 * 4)
    assert group.starts == [0, 4]
    log.received(1, [a_message(0, events(0, 1))])
    log.received(2, [a_message(4, events(4, 5))])
    run = await log.read(64 * 4)
    assert run is not None
    assert (run.first, numbers(run), log.lost) == (256, [4], 0)


async def test_missing_messages_are_lost(autojump_clock: MockClock) -> None:
    log = a_log(ScriptedGroup())
    with trio.move_on_after(1):
        await log.read(0)
    log.received(1, [a_message(3, events(0, 1))])
    run = await log.read(0)
    assert run is not None
    assert (run.first, log.lost) == (192, 3)


async def test_a_stopped_log_ends_after_what_was_read(autojump_clock: MockClock) -> None:
    log = a_log(ScriptedGroup())
    with trio.move_on_after(1):
        await log.read(0)
    log.received(1, [a_message(0, events(0, 2)), a_message(1, events(2, 3))])
    await log.read(0)
    log.stop()
    assert await log.read(64) is None
    assert log.end == LogPoint(64, 2)
    log.received(1, [a_message(2, events(0, 2))])
    assert log.end == LogPoint(64, 2)


async def test_a_full_buffer_pauses_the_partition(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = ScriptedGroup()
    log = a_log(group)
    with trio.move_on_after(1):
        await log.read(0)
    messages = [a_message(offset, events(0, 2)) for offset in range(10)]
    size = len(messages[0].value or b"")
    monkeypatch.setattr(kafka_log, "BUFFER_BYTES", 4 * size)
    log.received(1, messages[:4])
    assert not group.paused
    log.received(1, messages[4:5])
    assert group.paused
    paused = []
    for offset in range(5):
        await log.read(64 * offset)
        paused.append(group.paused)
    assert paused == [True, True, True, False, False]


async def test_a_message_that_cannot_be_decoded_becomes_a_letter(
    autojump_clock: MockClock,
) -> None:
    group = ScriptedGroup()
    group.room = False
    log = a_log(group)
    with trio.move_on_after(1):
        await log.read(0)
    log.received(1, [TopicMessage(0, NOON, None, b"\x01?"), a_message(1, events(0, 1))])
    with pytest.raises(LogError, match="room"):
        await log.read(0)
    assert log.status()["status"] == "down"
    group.room = True
    run = await log.read(0)
    assert run is not None
    assert (run.first, run.end, run.records) == (0, 64, ())
    assert (group.kept, log.lost, log.blocked) == ([0], 1, None)


async def test_a_message_of_a_later_version_stops_the_partition(
    autojump_clock: MockClock,
) -> None:
    log = a_log(ScriptedGroup())
    with trio.move_on_after(1):
        await log.read(0)
    later = a_message(0, events(0, 1))
    log.received(1, [later._replace(value=b"\x09" + (later.value or b"")[1:])])
    for _ in range(2):
        with pytest.raises(LogError, match="upgrade"):
            await log.read(0)
    assert log.status()["status"] == "down"
    assert "upgrade" in str(log.status()["reason"])
    assert log.lost == 0


async def test_a_checkpoint_is_named_and_what_is_before_the_last_one_deleted(
    autojump_clock: MockClock,
) -> None:
    group = ScriptedGroup()
    log = a_log(group)
    await log.prepare(point(9), point(4))
    await log.name_checkpoint(place(4))
    log.retire(64 * 4)
    assert group.deleted == []
    await log.name_checkpoint(place(8))
    log.retire(64 * 8)
    log.retire(64 * 8)
    assert group.deleted == [place(4)]
    assert plans(group) == [(4, 9)] * 3
    await log.commit(point(9))
    assert decode_plan(group.sent[-1].metadata).checkpoint == place(8)


async def test_a_message_that_is_gone_outdates_the_log(autojump_clock: MockClock) -> None:
    log = a_log(ScriptedGroup())
    with trio.move_on_after(1):
        await log.read(0)
    log.out_of_range(2)
    assert not log.outdated.is_set()
    log.out_of_range(1)
    assert log.outdated.is_set()

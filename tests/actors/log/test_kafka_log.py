from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from actors.cluster.admin import CommittedOffset
from actors.cluster.failure import KafkaFailure
from actors.cluster.membership import Holding, Membership, Outcome
from actors.cluster.topic_reader import TopicMessage
from actors.log import kafka_log
from actors.log.kafka_log import KafkaLog
from actors.log.log import LogError, LogPoint
from ingest.engine.message import encode_message
from ingest.engine.plan import CheckpointPlace, Plan, decode_plan
from ingest.records.encoding import encode
from ingest.records.record import Record
from tests.actors.log.checks import CHECKS, Check, take
from tests.actors.log.records import COUNTS, events, numbers
from tests.examples import NOON

HOLDING = Holding(3, 17)
ACCEPTED, REFUSED, UNANSWERED = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNANSWERED
SESSION_SECONDS = 10.0


class ScriptedGroup(Membership):
    """Answers commits as a list says; after its end, they are accepted."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.proven_at = 0.0
        self.sent: list[CommittedOffset] = []
        self.stored: CommittedOffset | None = None
        self.applies = False
        self.held = True
        self.rejoined = 0
        self.starts: list[int] = []
        self.paused = False
        self.failures = 0
        self.deleted: list[CheckpointPlace] = []
        self.kept: list[int] = []
        self.room = True

    def holds(self, holding: Holding) -> bool:
        return self.held and holding == HOLDING

    async def commit(self, holding: Holding, offset: int, metadata: str) -> Outcome:
        await trio.lowlevel.checkpoint()
        if not self.holds(holding):
            return Outcome.NOT_MINE
        self.sent.append(CommittedOffset(offset, metadata))
        outcome = self.outcomes.pop(0) if self.outcomes else ACCEPTED
        if outcome is ACCEPTED:
            self.proven_at = trio.current_time()
        if outcome is ACCEPTED or (outcome is UNANSWERED and self.applies):
            self.stored = self.sent[-1]
        return outcome

    async def committed(self, partition: int) -> CommittedOffset | None:
        await trio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise KafkaFailure("_TIMED_OUT", "as told")
        return self.stored

    def start(self, holding: Holding, offset: int) -> int:
        self.starts.append(offset)
        return len(self.starts)

    def pause(self, holding: Holding) -> None:
        self.paused = True

    def resume(self, holding: Holding) -> None:
        self.paused = False

    def release(self, holding: Holding) -> None:
        pass

    def rejoin(self) -> None:
        self.rejoined += 1

    def delete_before(self, partition: int, checkpoint: CheckpointPlace) -> None:
        self.deleted.append(checkpoint)

    async def keep_message(self, partition: int, message: TopicMessage, reason: str) -> bool:
        await trio.lowlevel.checkpoint()
        if self.room:
            self.kept.append(message.offset)
        return self.room


def a_log(group: ScriptedGroup, first: int = 0, start: int = 0) -> KafkaLog:
    return KafkaLog(
        group,
        HOLDING,
        group,
        group,
        cluster_id="0123456789abcdef",
        accepted=None,
        plan=Plan(point(start), None, None, 1, 0),
        first=64 * first,
        start=point(start),
        session_seconds=SESSION_SECONDS,
        now=lambda: NOON,
        monotonic=trio.current_time,
    )


def point(offset: int) -> LogPoint:
    return LogPoint(64 * offset, offset)


def place(offset: int) -> CheckpointPlace:
    return CheckpointPlace(f"{offset:016x}", offset, 64 * offset)


def a_message(offset: int, records: Sequence[Record]) -> TopicMessage:
    entries = [(number, *encode(record)) for number, record in enumerate(records)]
    return TopicMessage(offset, NOON + offset, None, encode_message(7, entries))


def plans(group: ScriptedGroup) -> list[tuple[int, int | None]]:
    """What was sent: the offset, and the offset of the prepared end."""
    found = []
    for sent in group.sent:
        prepared = decode_plan(sent.metadata).prepared
        found.append((sent.offset, None if prepared is None else prepared.position // 64))
    return found


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


async def test_a_commit_carries_the_plan(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    log = a_log(group)
    await log.prepare(point(2), point(0))
    await log.prepare(point(5), point(2))
    await log.commit(point(5))
    assert plans(group) == [(0, 2), (2, 5), (5, None)]


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


REPEATED = [(0, 2), (0, 2)]


@pytest.mark.parametrize(
    ("outcomes", "applies", "foreign", "sent", "end"),
    [
        # refused, and the group has what it had: the same again
        ([REFUSED], False, False, REPEATED, "settled"),
        ([REFUSED, REFUSED], False, False, [(0, 2)] * 3, "settled"),
        # refused, and the group has something else: the state is loaded anew
        ([REFUSED], False, True, [(0, 2)], "outdated"),
        # not answered: the same until it is, and then a new member, for the first may come late
        ([UNANSWERED], False, False, REPEATED, "rejoined"),
        ([UNANSWERED, REFUSED], False, False, [(0, 2)] * 3, "rejoined"),
        # not answered, but applied
        ([UNANSWERED], True, False, [(0, 2)], "rejoined"),
        ([UNANSWERED], False, True, [(0, 2)], "rejoined"),
    ],
)
async def test_a_commit_is_settled(
    autojump_clock: MockClock,
    outcomes: list[Outcome],
    applies: bool,
    foreign: bool,
    sent: list[tuple[int, int | None]],
    end: str,
) -> None:
    group = ScriptedGroup(*outcomes)
    group.applies = applies
    group.failures = 1
    if foreign:
        group.stored = CommittedOffset(1, "of another worker")
    log = a_log(group)
    settled = False
    with trio.move_on_after(100):
        await log.prepare(point(2), point(0))
        settled = True
    assert plans(group) == sent
    assert (settled, log.outdated.is_set(), group.rejoined) == (
        end == "settled",
        end == "outdated",
        int(end == "rejoined"),
    )
    if not settled:
        # Nothing more is sent, and nothing may be stored.
        with trio.move_on_after(100):
            await log.commit(point(2))
        assert not await log.hold()
        assert plans(group) == sent


async def test_notes_of_a_lost_partition_never_return(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    log = a_log(group)
    group.held = False
    with trio.move_on_after(100) as waiting:
        await log.commit(point(1))
    assert waiting.cancelled_caught
    assert (group.sent, group.rejoined, log.outdated.is_set()) == ([], 0, False)
    assert not await log.hold()


async def test_a_commit_whose_answer_nobody_awaited_counts_as_unanswered(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = ScriptedGroup()
    log = a_log(group)
    answer = group.commit

    async def hang(holding: Holding, offset: int, metadata: str) -> Outcome:
        await answer(holding, offset, metadata)
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(group, "commit", hang)
    with trio.move_on_after(1):
        await log.commit(point(1))
    monkeypatch.setattr(group, "commit", answer)
    with trio.move_on_after(1):
        await log.commit(point(2))
    assert (len(group.sent), group.rejoined) == (1, 1)


async def test_a_lease_is_held_while_its_proof_is_fresh(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    log = a_log(group)
    assert log.lease is log
    await log.prepare(point(2), point(0))
    assert await log.hold()
    await trio.sleep(SESSION_SECONDS / 2 - 1)
    assert await log.hold()
    assert len(group.sent) == 1
    await trio.sleep(2)
    assert await log.hold()
    # The same plan again proves it.
    assert group.sent[0] == group.sent[1]
    assert len(group.sent) == 2


async def test_a_lease_ends_with_a_commit_of_another_worker(autojump_clock: MockClock) -> None:
    group = ScriptedGroup()
    log = a_log(group)
    await log.prepare(point(2), point(0))
    await trio.sleep(SESSION_SECONDS)
    group.outcomes = [REFUSED]
    group.stored = CommittedOffset(2, "of another worker")
    assert not await log.hold()
    assert log.outdated.is_set()


async def test_a_message_that_is_gone_outdates_the_log(autojump_clock: MockClock) -> None:
    log = a_log(ScriptedGroup())
    with trio.move_on_after(1):
        await log.read(0)
    log.out_of_range(2)
    assert not log.outdated.is_set()
    log.out_of_range(1)
    assert log.outdated.is_set()

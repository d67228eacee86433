from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.clock.wall_clock import Clock
from actors.cluster import forwarder as forwarder_module
from actors.cluster.acknowledging import AWAY_SECONDS, Acknowledgement, Outage
from actors.cluster.forwarder import (
    FLIGHT_SECONDS,
    GATHER_SECONDS,
    MAX_RETRY_SECONDS,
    NOTE_SECONDS,
    OLD_SECONDS,
    Forwarder,
    ForwarderOptions,
    OldRecords,
)
from actors.log.log import LogPoint
from ingest.model.event import EnrichedEvent
from ingest.records.record import Record
from ingest.telemetry.metrics import Metrics
from tests.actors.cluster.fake_kafka import NOW, FakeKafka, FakeVerdicts
from tests.actors.cluster.list_log import ListLog
from tests.actors.log.records import COUNTS, DESCRIPTION, an_event

PARTITIONS = 3


def events(*numbers: int) -> list[Record]:
    """Events of the partition that the number's remainder gives."""
    return [msgspec.structs.replace(an_event(n), partition=n % PARTITIONS) for n in numbers]


class Front:
    """A forwarder with what is around it."""

    def __init__(
        self,
        *,
        log: ListLog | None = None,
        kafka: FakeKafka | None = None,
        answers: bool = True,
        ack: Acknowledgement = "engine",
        outage: Outage = "journal",
        old: OldRecords = "hold",
    ) -> None:
        self.log = log or ListLog()
        self.kafka = kafka or FakeKafka(answers=answers)
        self.verdicts = FakeVerdicts()
        self.clock = Clock(NOW)
        self.forwarder = Forwarder(
            self.log,
            self.clock,
            self.verdicts,
            self.kafka.producer,
            Metrics(lambda domain: True),
            ForwarderOptions("events", PARTITIONS, ack, outage, old),
        )

    async def append(self, *numbers: int) -> None:
        await self.log.append(events(*numbers), self.clock.seconds())

    @property
    def status(self) -> str:
        return str(self.forwarder.status()["status"])

    @property
    def reason(self) -> str:
        return str(self.forwarder.status()["reason"])

    def taken(self) -> list[list[int]]:
        return [self.kafka.taken(partition) for partition in range(PARTITIONS)]


Start = Callable[..., Front]


@pytest.fixture
def start(nursery: trio.Nursery) -> Start:
    """Makes a front and runs its forwarder, until the test ends."""

    def run(**options: Any) -> Front:
        front = Front(**options)
        nursery.start_soon(front.forwarder.run)
        return front

    return run


async def test_forwards_each_partition_in_order(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    front = Front()
    await front.log.append([DESCRIPTION], NOW)
    await front.append(0, 1, 2)
    nursery.start_soon(front.forwarder.run)
    await trio.sleep(1)
    await front.append(3, 4)
    await front.append(6, 7)
    await trio.sleep(1)
    assert front.taken() == [[0, 3, 6], [1, 4, 7], [2]]
    assert front.verdicts.end == front.log.end.position == 8
    assert front.forwarder.forwarded_events == 7
    assert front.forwarder.backlog == 0
    assert front.status == "ok"


async def test_gathers_what_arrives_together(autojump_clock: MockClock, start: Start) -> None:
    front = start()
    await wait_all_tasks_blocked()
    for number in range(10):
        await front.append(number * PARTITIONS)
    await trio.sleep(1)
    assert [len(values) for values in front.kafka.topic.values()] == [1]


async def test_gathers_while_messages_are_on_their_way(
    autojump_clock: MockClock, start: Start
) -> None:
    front = start(answers=False)
    await front.append(0)
    await trio.sleep(GATHER_SECONDS * 2)
    sent = front.kafka.current.sent
    for number in range(1, 5):
        await front.append(number * PARTITIONS)
        await trio.sleep(GATHER_SECONDS)
    assert len(sent) == 1
    front.kafka.current.acknowledge_all()
    await trio.sleep(GATHER_SECONDS)
    assert len(sent) == 2
    assert front.forwarder.backlog == 4
    front.kafka.current.acknowledge_all()
    assert front.taken()[0] == [number * PARTITIONS for number in range(5)]


async def test_gathers_no_longer_than_its_limit(autojump_clock: MockClock, start: Start) -> None:
    front = start(answers=False)
    for number in range(2):
        await front.append(number)
        await trio.sleep(GATHER_SECONDS * 2)
    assert len(front.kafka.current.sent) == 1
    await trio.sleep(FLIGHT_SECONDS)
    assert len(front.kafka.current.sent) == 2


async def test_notes_each_second_what_kafka_has(autojump_clock: MockClock, start: Start) -> None:
    front = start()
    await trio.sleep(NOTE_SECONDS * 2.5)
    assert front.log.notes == []
    assert front.log.syncs == 2
    await front.append(0, 1)
    await trio.sleep(NOTE_SECONDS)
    assert front.log.notes == [LogPoint(2, 2)]
    assert front.log.retired == 2


async def test_what_goes_to_no_partition_is_noted_too(
    autojump_clock: MockClock, start: Start
) -> None:
    front = start()
    await front.log.append([DESCRIPTION], NOW)
    await trio.sleep(NOTE_SECONDS * 2)
    assert front.log.committed == LogPoint(1, 0)


async def test_nothing_counts_before_kafka_has_all_before_it(
    autojump_clock: MockClock, start: Start
) -> None:
    front = start(answers=False)
    await trio.sleep(0.3)
    await front.append(0, 1)
    await front.append(4)
    await trio.sleep(0.5)
    producer = front.kafka.current
    producer.acknowledge(1)
    assert front.verdicts.end == 0
    producer.acknowledge(0)
    assert front.verdicts.end == 3


async def test_events_wait_for_kafka_while_it_answers(
    autojump_clock: MockClock, start: Start
) -> None:
    front = start(answers=False)
    await wait_all_tasks_blocked()
    assert front.verdicts.waits
    await front.append(0)
    await trio.sleep(AWAY_SECONDS - 0.3)
    assert front.verdicts.waits
    assert front.status == "ok"
    assert front.forwarder.status()["forwards"] is True


@pytest.mark.parametrize("outage", ["journal", "refuse"])
async def test_an_outage_begins_after_two_seconds_and_ends(
    autojump_clock: MockClock, start: Start, outage: Outage
) -> None:
    front = start(answers=False, outage=outage)
    await wait_all_tasks_blocked()
    assert front.forwarder.accepting
    await front.append(0)
    await trio.sleep(AWAY_SECONDS + 0.5)
    front.kafka.current.problem = "connection refused"
    assert not front.verdicts.waits
    assert front.forwarder.accepting == (outage == "journal")
    assert front.status == ("degraded" if outage == "journal" else "down")
    assert front.reason == "Kafka does not answer: connection refused"
    assert front.forwarder.status()["backlog_events"] == 1
    assert front.forwarder.status()["forwards"] is False
    await trio.sleep(60)
    assert not front.verdicts.waits
    assert not front.forwarder.has_work
    front.kafka.answers = True
    front.kafka.current.problem = None
    front.kafka.current.acknowledge_all()
    await trio.sleep(1)
    assert front.verdicts.waits
    assert front.forwarder.accepting
    assert front.status == "ok"


async def test_kafka_is_not_back_before_the_backlog_is_sent(
    autojump_clock: MockClock, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarder_module, "FLIGHT_MESSAGES", 1)
    monkeypatch.setattr(forwarder_module, "ROUND_RECORDS", 1)
    front = start(answers=False)
    for number in range(4):
        await front.append(number)
        await trio.sleep(AWAY_SECONDS + 1)
    for _ in range(2):
        front.kafka.current.acknowledge_all()
        await trio.sleep(0.5)
        assert not front.verdicts.waits
    front.kafka.current.acknowledge_all()
    await trio.sleep(0.5)
    assert front.verdicts.waits


async def test_with_ack_journal_nothing_waits_for_kafka(
    autojump_clock: MockClock, start: Start
) -> None:
    front = start(answers=False, ack="journal", outage="refuse")
    await front.append(0)
    for _ in range(5):
        await trio.sleep(1)
        assert not front.verdicts.waits
        assert front.forwarder.accepting
    assert front.status == "degraded"


async def test_a_line_of_an_import_waits_for_kafka(autojump_clock: MockClock, start: Start) -> None:
    front = start(answers=False, ack="journal")
    await front.append(0)
    with trio.move_on_after(60) as waited:
        await front.forwarder.wait_acknowledged(1)
    assert waited.cancelled_caught
    front.kafka.current.acknowledge_all()
    await front.forwarder.wait_acknowledged(1)


async def test_after_a_fatal_error_another_producer_sends_again(
    autojump_clock: MockClock, start: Start
) -> None:
    front = start(answers=False)
    await front.append(0, 1)
    await trio.sleep(0.1)
    await front.append(3, 4)
    await trio.sleep(0.2)
    first = front.kafka.current
    first.acknowledge(0)
    first.acknowledge(1)
    first.acknowledge(0, reported=False)
    first.fail(passing=True)
    await trio.sleep(0.1)
    assert first.closed
    assert front.reason == "ERROR: it failed"
    first.acknowledge(1)
    assert front.verdicts.end == 2  # reports of an earlier producer do not count
    await trio.sleep(2)
    front.kafka.current.acknowledge_all()
    assert front.verdicts.end == 4
    assert [len(messages) for messages in front.kafka.topic.values()] == [3, 3]
    assert front.taken() == [[0, 3], [1, 4], []]


async def test_producers_that_fail_are_replaced_ever_more_slowly(
    autojump_clock: MockClock, start: Start
) -> None:
    front = start(answers=False)
    await front.append(0)
    began = trio.current_time()
    for number in range(1, 12):
        while len(front.kafka.producers) < number:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.1)
        front.kafka.current.fail(passing=True)
    assert trio.current_time() - began > 5 * MAX_RETRY_SECONDS
    assert not front.verdicts.waits
    assert front.status == "degraded"


async def test_a_message_refused_for_good_stops_the_forwarder(
    autojump_clock: MockClock, start: Start, nursery: trio.Nursery
) -> None:
    front = start(answers=False)
    await front.append(0)
    await trio.sleep(0.1)
    front.kafka.current.fail(passing=False, name="MSG_SIZE_TOO_LARGE")
    await front.append(1, 2, 3)
    await trio.sleep(3600)
    (producer,) = front.kafka.producers
    assert producer.closed
    assert len(producer.sent) == 1
    assert front.status == "down"
    assert "MSG_SIZE_TOO_LARGE" in front.reason
    assert not front.verdicts.waits
    assert front.forwarder.accepting  # from the disk, until the log is full
    assert not front.forwarder.has_work
    nursery.cancel_scope.cancel()
    # Another process tries again.
    later = Front(log=front.log.reopened(front.log.source_id))
    async with trio.open_nursery() as inner:
        inner.start_soon(later.forwarder.run)
        await trio.sleep(1)
        assert later.taken() == [[0, 3], [1], [2]]
        inner.cancel_scope.cancel()


async def test_a_restart_of_the_actor_does_not_start_a_stopped_forwarder(
    autojump_clock: MockClock, start: Start, nursery: trio.Nursery
) -> None:
    front = start(answers=False)
    await front.append(0)
    await trio.sleep(0.1)
    front.kafka.current.fail(passing=False)
    await trio.sleep(1)
    nursery.cancel_scope.cancel()
    with trio.move_on_after(60):
        await front.forwarder.run()
    assert len(front.kafka.producers) == 1


@pytest.mark.parametrize(
    ("old", "taken", "status"),
    [("hold", [[], [], []], "down"), ("send", [[0], [1], []], "ok"), ("drop", [[], [1], []], "ok")],
)
async def test_records_that_are_too_old_wait_for_a_decision(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    old: OldRecords,
    taken: list[list[int]],
    status: str,
) -> None:
    front = Front(old=old)
    await front.log.append(events(0), NOW - OLD_SECONDS)
    await front.log.append(events(1), NOW - OLD_SECONDS + 60)
    nursery.start_soon(front.forwarder.run)
    await trio.sleep(5)
    assert front.taken() == taken
    assert front.status == status
    assert front.forwarder.dropped_events == (old == "drop")
    if old == "hold":
        assert "SLUICE_OLD_EVENTS" in front.reason
        assert front.log.committed.position == 0
    else:
        assert front.log.committed.position == 2


async def test_records_that_become_too_old_on_their_way_are_held(
    autojump_clock: MockClock, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarder_module, "OLD_SECONDS", 600)
    front = start(answers=False)
    await front.append(0)
    await trio.sleep(540)
    assert not front.kafka.current.closed
    await trio.sleep(120)
    assert front.kafka.current.closed
    assert front.status == "down"
    assert "2023-11-14 22:13 UTC" in front.reason


@pytest.mark.parametrize(("limit", "value"), [("FLIGHT_MESSAGES", 4), ("FLIGHT_BYTES", 1000)])
async def test_what_is_on_its_way_is_bounded(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
) -> None:
    monkeypatch.setattr(forwarder_module, limit, value)
    front = Front(answers=False)
    for number in range(100):
        await front.append(number)
    nursery.start_soon(front.forwarder.run)
    await trio.sleep(60)
    assert 3 <= len(front.kafka.current.sent) <= 10
    front.kafka.answers = True
    front.kafka.current.acknowledge_all()
    await trio.sleep(1)
    assert sum(map(len, front.taken())) == 100


async def test_drains_once_the_log_is_sealed(autojump_clock: MockClock) -> None:
    front = Front(answers=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(front.forwarder.run)
        await front.append(0, 1)
        front.log.seal()
        await trio.sleep(1)
        assert front.log.notes == []
        front.kafka.current.acknowledge_all()
    assert front.log.notes == [LogPoint(2, 2)]
    assert front.kafka.current.closed


async def test_what_is_not_acknowledged_in_time_stays(autojump_clock: MockClock) -> None:
    front = Front(answers=False)
    with trio.move_on_after(0.5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(front.forwarder.run)
            await front.append(0)
            await trio.sleep(0.1)
            front.kafka.current.acknowledge_all()
            await front.append(1)
            front.log.seal()
    await front.forwarder.leave()
    assert front.kafka.current.closed
    assert front.log.committed == LogPoint(1, 1)


async def test_a_stopped_forwarder_does_not_delay_the_shutdown(autojump_clock: MockClock) -> None:
    front = Front(answers=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(front.forwarder.run)
        await front.append(0)
        await trio.sleep(0.1)
        front.kafka.current.fail(passing=False)
        await trio.sleep(1)
        await front.append(1)
        front.log.seal()
    assert front.log.committed == LogPoint(0, 0)


async def test_a_log_that_cannot_be_read_is_read_again(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    front = Front()
    front.log.reads_fail = True
    await front.append(0)
    nursery.start_soon(front.forwarder.run)
    await trio.sleep(5)
    assert front.status == "degraded"
    assert front.reason == "the log cannot be read: no answer"
    front.log.reads_fail = False
    await trio.sleep(2)
    assert front.taken()[0] == [0]
    assert front.status == "ok"


async def test_counts_of_drops_are_forwarded(autojump_clock: MockClock, start: Start) -> None:
    front = start()
    await front.log.append([COUNTS], NOW)
    await trio.sleep(1)
    assert [len(values) for values in front.kafka.topic.values()] == [1]
    assert front.forwarder.forwarded_events == 0


async def test_the_log_of_a_single_process_that_was_not_drained_is_not_sent(
    autojump_clock: MockClock, start: Start, nursery: trio.Nursery
) -> None:
    log = ListLog()
    await log.append(events(0), NOW)
    log.prepared = LogPoint(1, 1)
    front = start(log=log)
    await trio.sleep(5)
    assert front.kafka.producers == []
    assert front.status == "down"
    assert log.prepared is not None
    nursery.cancel_scope.cancel()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("acknowledge"), st.integers(0, PARTITIONS - 1)),
        st.tuples(st.just("lose report"), st.integers(0, PARTITIONS - 1)),
        st.tuples(st.just("fail"), st.just(0)),
        st.tuples(st.just("crash"), st.integers(0, 1)),
        st.tuples(st.just("sleep"), st.integers(1, 40)),
    ),
    max_size=60,
)


@given(STEPS)
def test_workers_get_each_event_once_and_in_order(steps: Sequence[tuple[str, int]]) -> None:
    """However often producers fail and the process dies."""
    trio.run(_live_through, steps, clock=MockClock(autojump_threshold=0))


async def _live_through(steps: Sequence[tuple[str, int]]) -> None:
    kafka = FakeKafka(answers=False)
    front = Front(kafka=kafka)
    appended = 0
    remaining = list(steps)
    while remaining:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(front.forwarder.run)
            await wait_all_tasks_blocked()
            while remaining:
                kind, number = remaining.pop(0)
                match kind:
                    case "append":
                        await front.append(*range(appended, appended + number))
                        appended += number
                    case "acknowledge" | "lose report":
                        if kafka.current.waiting[number]:
                            reported = kind == "acknowledge" and not kafka.current.closed
                            kafka.current.acknowledge(number, reported=reported)
                    case "fail":
                        kafka.current.fail(passing=True)
                    case "crash":
                        front = Front(
                            log=front.log.reopened(front.log.source_id + number), kafka=kafka
                        )
                        break
                    case _:
                        await trio.sleep(number / 20)
            nursery.cancel_scope.cancel()
    kafka.answers = True
    front = Front(log=front.log.reopened(front.log.source_id), kafka=kafka)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(front.forwarder.run)
        await trio.sleep(3)
        nursery.cancel_scope.cancel()
    assert front.log.committed == front.log.end
    for partition, numbers in enumerate(front.taken()):
        assert numbers == list(range(partition, appended, PARTITIONS))
    assert all(
        isinstance(record, EnrichedEvent) for run in front.log.runs for record in run.records
    )

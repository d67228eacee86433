from random import Random

import pytest
import trio
from trio.testing import MockClock

from actors.cluster.checkpoint_topic import CheckpointTopic, load_checkpoint, newest_checkpoint
from actors.cluster.failure import KafkaFailure
from actors.log.log import LogError
from ingest.engine import parts
from ingest.engine.plan import CheckpointPlace
from ingest.fold.checkpoint import FoldState
from ingest.fold.sources import TakenSource
from ingest.records.record import Description
from tests.actors.cluster.simulated_group import Coordinator, Process
from tests.actors.cluster.simulated_topics import ProcessTopics, SimulatedReader, SimulatedTopics

LOG = "0123456789abcdef-0"


def a_state(offset: int, log_id: str = LOG) -> FoldState:
    sources = tuple(TakenSource(f"front:{number:016x}", 7, 100) for number in range(50))
    return FoldState(log_id, 64 * offset, offset, 9, Description(60), [], [], list(sources))


class RunTopic:
    """A partition of the topic."""

    def __init__(self) -> None:
        random = Random(1)  # noqa: S311
        self.topics = SimulatedTopics(random, Coordinator(random, 1), 1)
        self.process = ProcessTopics(Process(), self.topics)
        self.named: list[CheckpointPlace] = []
        self.checkpoints = CheckpointTopic(0, self.process.send_checkpoint, self._name)

    async def _name(self, place: CheckpointPlace) -> None:
        await trio.lowlevel.checkpoint()
        self.named.append(place)

    def reader(self, start: int | None = None) -> SimulatedReader:
        return self.process.checkpoint_reader(0, start)

    async def save(self, state: FoldState, *, publish: bool = True) -> None:
        with await self.checkpoints.write(state) as written:
            if publish:
                await written.publish()


@pytest.fixture(params=[1 << 19, 100], ids=["one part", "several parts"])
def topic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RunTopic:
    monkeypatch.setattr(parts, "PIECE_BYTES", request.param)
    return RunTopic()


async def test_a_checkpoint_is_named_and_loaded(autojump_clock: MockClock, topic: RunTopic) -> None:
    for offset in (3, 5):
        await topic.save(a_state(offset))
    assert [place.position for place in topic.named] == [192, 320]
    for place, offset in zip(topic.named, (3, 5), strict=True):
        assert await load_checkpoint(topic.reader(place.offset), place) == a_state(offset)


async def test_a_checkpoint_is_not_whole_before_the_store_has_what_is_before_it(
    autojump_clock: MockClock, topic: RunTopic
) -> None:
    await topic.save(a_state(3))
    await topic.save(a_state(5), publish=False)
    assert len(topic.named) == 1
    assert await newest_checkpoint(topic.reader(), LOG, 0, None) == a_state(3)


async def test_a_torn_checkpoint_is_recognised(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PIECE_BYTES", 100)
    topic = RunTopic()
    await topic.save(a_state(3))
    messages = topic.topics.checkpoints[0]
    (place,) = topic.named
    for damaged in (messages[:-1], messages[1:], [messages[0]._replace(value=b"?"), *messages[1:]]):
        topic.topics.checkpoints[0] = damaged
        assert await load_checkpoint(topic.reader(0), place) is None


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [(0, None, 8), (0, 64 * 8, 8), (0, 64 * 7, 5), (64 * 4, 64 * 5, 5), (64 * 6, 64 * 7, None)],
)
async def test_the_newest_of_use_is_found(
    autojump_clock: MockClock, first: int, last: int | None, found: int | None
) -> None:
    topic = RunTopic()
    for offset in (3, 8, 5):
        await topic.save(a_state(offset))
    await topic.save(a_state(7, "fedcba9876543210-0"))
    state = await newest_checkpoint(topic.reader(), LOG, first, last)
    assert state == (None if found is None else a_state(found))


async def test_a_checkpoint_that_cannot_be_written_says_so(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(partition: int, data: bytes) -> int:
        await trio.lowlevel.checkpoint()
        raise KafkaFailure("MSG_SIZE_TOO_LARGE", "too large", passing=False)

    topic = RunTopic()
    topic.checkpoints = CheckpointTopic(0, refuse, topic._name)
    with pytest.raises(LogError, match="too large"):
        await topic.save(a_state(3))
    assert topic.named == []

from collections.abc import Sequence

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors.cluster.checkpoint_topic import Reader
from actors.cluster.failure import KafkaFailure
from actors.cluster.letter_redrive import POLL_SECONDS, EventRedrive, RowsRedrive
from actors.cluster.letter_topic import LetterTopic
from actors.pipeline.flush import Flush
from actors.pipeline.verdicts import VERDICT_SECONDS, Verdicts
from actors.pipeline.writer import Writer
from ingest.letters.dead_letter import DeadLetter
from ingest.model.event import Source
from ingest.model.verdict import NOT_KEPT, SET_ASIDE, Verdict
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.rows.batch import Insert
from ingest.telemetry.metrics import Metrics
from tests.actors.cluster.letters_in_memory import (
    LOG,
    MOMENT,
    PARTITION,
    LettersInMemory,
    at,
    kept,
)
from tests.actors.cluster.list_log import ListLog
from tests.actors.fakes import FakeStore
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import NOON, an_enriched_event

ROWS = Insert("events_v2", ((1,),), f"{LOG}-0-640-events")
EVENT = an_enriched_event(source=Source("front:7", 3))


class Front:
    """A front whose recorder appends, or answers otherwise."""

    def __init__(self, memory: LettersInMemory, nursery: trio.Nursery) -> None:
        self.letters = memory.follow()
        self.log = ListLog()
        self.verdicts = Verdicts(DropCounter(), Metrics(lambda domain: True), no_broadcast())
        self.answer: Verdict | None = None
        self.kafka_has = trio.Event()
        self.kafka_has.set()
        outlet, self._inbox = trio.open_memory_channel[Sequence[TicketedEvent]](1)
        redrive = EventRedrive(
            self.letters, self.verdicts, self.log, outlet, self._wait_acknowledged
        )
        nursery.start_soon(redrive.run)
        nursery.start_soon(self._record)

    async def _record(self) -> None:
        async for (ticketed,) in self._inbox:
            if self.answer is not None:
                self.verdicts.refuse(ticketed, self.answer)
                continue
            first = await self.log.append([ticketed.event], NOON)
            self.verdicts.appended(first, [ticketed])

    async def _wait_acknowledged(self, position: int) -> None:
        assert position == self.log.end.position
        await self.kafka_has.wait()

    @property
    def appended(self) -> list[object]:
        return [record for run in self.log.runs for record in run.records]


@pytest.fixture
def operator(memory: LettersInMemory) -> LetterTopic:
    return memory.follow()


@pytest.fixture
def front(memory: LettersInMemory, nursery: trio.Nursery) -> Front:
    return Front(memory, nursery)


async def replay(operator: LetterTopic, letter_id: str) -> None:
    await operator.read_to_end()
    await operator.mark(operator.letters.letters[letter_id].header, "redrive")


async def test_a_front_appends_the_event_and_settles_the_letter(
    autojump_clock: MockClock, front: Front, operator: LetterTopic
) -> None:
    front.kafka_has = trio.Event()
    letter_id = await kept(operator, EVENT, at(640))
    await trio.sleep(MOMENT)
    assert front.appended == []
    await replay(operator, letter_id)
    await trio.sleep(MOMENT)
    source = Source(f"letter:{letter_id}", 1)
    assert front.appended == [replace(EVENT, source=source, partition=PARTITION)]
    # Kafka has not acknowledged it yet.
    assert letter_id in operator.letters.letters
    front.kafka_has.set()
    await trio.sleep(MOMENT)
    assert operator.letters.letters == {}
    assert len(front.appended) == 1


async def test_all_fronts_use_the_same_source(
    autojump_clock: MockClock, memory: LettersInMemory, operator: LetterTopic, nursery: trio.Nursery
) -> None:
    fronts = [Front(memory, nursery), Front(memory, nursery)]
    letter_id = await kept(operator, EVENT, at(640))
    await replay(operator, letter_id)
    await trio.sleep(MOMENT)
    appended = {str(event) for front in fronts for event in front.appended}
    assert len(appended) == 1
    assert operator.letters.letters == {}


async def test_a_letter_that_has_failed_again_is_redriven_with_the_next_number(
    autojump_clock: MockClock, front: Front, operator: LetterTopic
) -> None:
    letter_id = await kept(operator, EVENT, at(640))
    for number in (1, 2):
        await replay(operator, letter_id)
        await trio.sleep(MOMENT)
        event = front.appended[-1]
        assert isinstance(event, type(EVENT))
        assert event.source == Source(f"letter:{letter_id}", number)
        assert operator.letters.letters == {}
        assert operator.keep("sessions", event, "again", position=at(640 + 64 * number))
        await trio.sleep(MOMENT)
    assert len(front.appended) == 2
    assert operator.letters.letters[letter_id].header.redriven == 2


async def test_an_event_that_is_not_taken_is_tried_again(
    autojump_clock: MockClock, front: Front, operator: LetterTopic
) -> None:
    front.answer = NOT_KEPT
    letter_id = await kept(operator, EVENT, at(640))
    await replay(operator, letter_id)
    await trio.sleep(VERDICT_SECONDS + 3 * POLL_SECONDS)
    assert operator.letters.letters[letter_id].redrive
    front.answer = None
    await trio.sleep(MOMENT)
    assert len(front.appended) == 1
    assert operator.letters.letters == {}


async def test_an_event_that_becomes_a_letter_of_the_front_is_settled(
    autojump_clock: MockClock, front: Front, operator: LetterTopic
) -> None:
    front.answer = SET_ASIDE
    letter_id = await kept(operator, EVENT, at(640))
    await replay(operator, letter_id)
    await trio.sleep(MOMENT)
    assert operator.letters.letters == {}


async def test_what_was_redriven_before_the_start_is_not_redriven_again(
    autojump_clock: MockClock, memory: LettersInMemory, operator: LetterTopic, nursery: trio.Nursery
) -> None:
    letter_id = await kept(operator, EVENT, at(640))
    await replay(operator, letter_id)
    await operator.mark(operator.letters.letters[letter_id].header, "redriven")
    front = Front(memory, nursery)
    await trio.sleep(MOMENT)
    assert front.appended == []


async def test_a_letter_that_cannot_be_read_stays_and_the_others_are_redriven(
    autojump_clock: MockClock,
    front: Front,
    operator: LetterTopic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damaged = await kept(operator, EVENT, at(640))
    good = await kept(operator, EVENT, at(704))
    from_json = DeadLetter.from_json

    def read(text: str) -> DeadLetter:
        letter = from_json(text)
        if letter.id == damaged:
            raise ValueError("version 9 of the letter is not known")
        return letter

    monkeypatch.setattr(DeadLetter, "from_json", read)
    await replay(operator, damaged)
    await replay(operator, good)
    await trio.sleep(3 * POLL_SECONDS)
    assert list(operator.letters.letters) == [damaged]
    assert operator.letters.letters[damaged].redrive
    assert len(front.appended) == 1


class Owner:
    """The worker that owns the partition, with its store."""

    def __init__(self, memory: LettersInMemory, nursery: trio.Nursery) -> None:
        self.letters = memory.follow()
        self.store = FakeStore()
        self.store.bad_rows = {1}
        outlet, inbox = trio.open_memory_channel[Flush](0)
        metrics = Metrics(lambda domain: True)
        self.writer = Writer(inbox, self.store, self.letters, metrics)
        self.outlet = outlet
        nursery.start_soon(self.writer.run)
        nursery.start_soon(RowsRedrive(self.letters, outlet, _OwnLog()).run)


class _OwnLog(ListLog):
    partition = PARTITION


@pytest.fixture
def owner(memory: LettersInMemory, nursery: trio.Nursery) -> Owner:
    return Owner(memory, nursery)


async def test_rows_are_refused_shown_and_stored_once(
    autojump_clock: MockClock, owner: Owner, operator: LetterTopic
) -> None:
    await owner.outlet.send(Flush((ROWS,)))
    await trio.sleep(MOMENT)
    (letter_id,) = operator.letters.letters
    assert letter_id == ROWS.token
    for number in (1, 2):
        await replay(operator, letter_id)
        await trio.sleep(2 * MOMENT)
        letter = operator.letters.letters[letter_id]
        assert (letter.header.redriven, letter.redrive) == (number, False)
    owner.store.bad_rows = set()
    await replay(operator, letter_id)
    await trio.sleep(2 * MOMENT)
    assert operator.letters.letters == {}
    assert owner.store.rows == {"events_v2": [(1,)]}
    attempts = len(owner.store.attempts)
    await trio.sleep(3 * POLL_SECONDS)
    assert len(owner.store.attempts) == attempts


async def test_rows_that_the_store_has_already_are_not_stored_again(
    autojump_clock: MockClock, owner: Owner, operator: LetterTopic
) -> None:
    """As an owner leaves them that dies between the insert and the mark."""
    owner.store.forgetful = {"events_v2"}
    owner.store.rows["events_v2"] = [(1,)]
    letter_id = await kept(operator, ROWS)
    await replay(operator, letter_id)
    await trio.sleep(2 * MOMENT)
    assert operator.letters.letters == {}
    assert owner.store.attempts == []


async def test_rows_of_other_partitions_are_left_alone(
    autojump_clock: MockClock, owner: Owner, operator: LetterTopic
) -> None:
    letter_id = await kept(operator, replace(ROWS, token="0123456789abcdef-0-0-640-events"))
    await replay(operator, letter_id)
    await trio.sleep(2 * MOMENT)
    assert operator.letters.letters[letter_id].redrive
    assert owner.store.attempts == []


async def test_letters_that_must_not_be_read_are_tried_again(
    autojump_clock: MockClock,
    front: Front,
    operator: LetterTopic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letter_id = await kept(operator, EVENT, at(640))
    with monkeypatch.context() as patch:

        def refuse(start: int) -> Reader:
            raise KafkaFailure("TOPIC_AUTHORIZATION_FAILED", "not allowed", passing=False)

        patch.setattr(front.letters, "_readers", refuse)
        await replay(operator, letter_id)
        await trio.sleep(MOMENT)
        assert operator.letters.letters[letter_id].redrive
    await trio.sleep(MOMENT)
    assert operator.letters.letters == {}

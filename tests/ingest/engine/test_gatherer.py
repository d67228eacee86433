from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.engine.gatherer import GatheredMessage, Gatherer
from ingest.engine.message import MESSAGE_BYTES, MESSAGE_EVENTS, decode_message
from ingest.model.event import EnrichedEvent, Source
from ingest.records.record import Description, DropCounts, EndOfSource, MetricCount, Record
from ingest.records.run import Run
from tests.examples import NOON, an_enriched_event
from tests.ingest.records.strategies import RECORDS

FRONT = 0xFEED
PARTITIONS = 4


def an_event(partition: int = 0, *, kilobytes: int = 0) -> EnrichedEvent:
    return an_enriched_event(partition=partition, props=(("k", "v" * 1024 * kilobytes),))


def some_counts(number: int, *, domain: str = "") -> DropCounts:
    return DropCounts(
        tuple(
            MetricCount(NOON, f"{n}{domain}", None, "dropped_not_found", 36, n)
            for n in range(number)
        )
    )


def a_run(*records: Record, first: int = 0, source_id: int = FRONT) -> Run:
    return Run(source_id, first, 0, NOON, records)


def added(gatherer: Gatherer, *records: Record, first: int = 0) -> list[GatheredMessage]:
    return gatherer.add_run(a_run(*records, first=first))


def records_of(messages: Iterable[GatheredMessage], partition: int) -> list[Record]:
    return [
        record
        for message in messages
        if message.partition == partition
        for record in decode_message(message.data, 0, 0, NOON).records
    ]


def test_events_wait_by_partition() -> None:
    gatherer = Gatherer(PARTITIONS)

    assert added(gatherer, an_event(1), an_event(3), an_event(1), first=10) == []
    assert (gatherer.first, gatherer.events) == (10, 3)

    assert [message._replace(data=b"") for message in gatherer.take_all()] == [
        GatheredMessage(1, b"", 10, 12, 2),
        GatheredMessage(3, b"", 11, 11, 1),
    ]
    assert (gatherer.first, gatherer.events, gatherer.take_all()) == (None, 0, [])


def test_a_message_is_finished_by_its_last_record() -> None:
    gatherer = Gatherer(PARTITIONS)

    assert added(gatherer, *[an_event(2)] * (MESSAGE_EVENTS - 1), an_event(1)) == []
    (message,) = added(gatherer, an_event(2), an_event(2), first=MESSAGE_EVENTS)

    assert message[0] == 2
    assert message[2:] == (0, MESSAGE_EVENTS, MESSAGE_EVENTS)
    assert gatherer.events == 2


@pytest.mark.parametrize(
    ("kilobytes", "finished"),
    [
        pytest.param([100, 100], [], id="they fit"),
        pytest.param([100, 100, 100], [2], id="the third does not fit"),
        pytest.param([300], [], id="larger than a message"),
        pytest.param([300, 0], [1], id="nothing joins a record that is larger"),
        pytest.param([0, 300, 0], [1, 1], id="a larger one has a message of its own"),
    ],
)
def test_size_finishes_messages(kilobytes: list[int], finished: list[int]) -> None:
    gatherer = Gatherer(PARTITIONS)

    messages = added(gatherer, *(an_event(kilobytes=size) for size in kilobytes))

    assert [message.events for message in messages] == finished
    rest = gatherer.take_all()
    assert all(
        len(message.data) <= MESSAGE_BYTES or message.events == 1 for message in messages + rest
    )
    assert len(records_of(messages + rest, 0)) == len(kilobytes)


def test_another_source_finishes_what_waits() -> None:
    gatherer = Gatherer(PARTITIONS)
    gatherer.add_run(a_run(an_event(1), an_event(2), first=10))

    messages = gatherer.add_run(a_run(an_event(1), first=3, source_id=7))

    assert [(message.partition, message.first) for message in messages] == [(1, 10), (2, 11)]
    runs = [decode_message(m.data, 0, 0, NOON) for m in messages + gatherer.take_all()]
    assert [run.source_id for run in runs] == [FRONT, FRONT, 7]


def test_an_end_of_source_goes_to_all_partitions() -> None:
    gatherer = Gatherer(PARTITIONS)
    added(gatherer, an_event(1), EndOfSource("import:x"))

    messages = gatherer.take_all()

    for partition in range(PARTITIONS):
        assert records_of(messages, partition)[-1:] == [EndOfSource("import:x")]
    assert sum(message.events for message in messages) == 1


def test_descriptions_stay_in_the_log_of_the_front() -> None:
    gatherer = Gatherer(PARTITIONS)

    assert added(gatherer, Description(1800)) == []
    assert gatherer.first is None


def test_drop_counts_go_to_one_partition_by_position() -> None:
    gatherer = Gatherer(PARTITIONS)
    counts = some_counts(2)

    added(gatherer, counts, counts, first=6)

    messages = gatherer.take_all()
    assert [(message.partition, message.events) for message in messages] == [(2, 0), (3, 0)]
    assert records_of(messages, 2) == [replace(counts, source=Source(f"front:{FRONT:016x}", 7))]


def test_large_drop_counts_are_sent_in_pieces_that_are_all_taken() -> None:
    gatherer = Gatherer(PARTITIONS)
    # As JSON, each character takes twelve bytes.
    counts = some_counts(1000, domain="\udcff" + "\U0001f600" * 250)

    messages = added(gatherer, counts, first=6) + gatherer.take_all()

    pieces = records_of(messages, 2)
    assert len(pieces) > 1
    assert {message.partition for message in messages} == {2}
    assert all(len(message.data) <= MESSAGE_BYTES for message in messages)
    found: list[MetricCount] = []
    taken = 0
    for piece in pieces:
        assert isinstance(piece, DropCounts)
        assert piece.source is not None
        assert piece.source.name == f"front:{FRONT:016x}:pieces"
        assert piece.source.number > taken
        taken = piece.source.number
        found += piece.counts
    assert tuple(found) == counts.counts


def test_pieces_are_the_same_when_they_are_sent_again() -> None:
    counts = some_counts(1000, domain="\U0001f600" * 250)

    def sent() -> list[GatheredMessage]:
        gatherer = Gatherer(PARTITIONS)
        return added(gatherer, counts) + gatherer.take_all()

    assert sent() == sent()


def test_a_partition_that_the_cluster_does_not_have_is_mapped_to_one_that_it_has() -> None:
    gatherer = Gatherer(PARTITIONS)

    added(gatherer, an_event(PARTITIONS + 1))

    assert [message.partition for message in gatherer.take_all()] == [1]


LARGE = [an_event(partition, kilobytes=100) for partition in range(4)]


@given(
    st.lists(
        st.tuples(st.lists(RECORDS | st.sampled_from(LARGE), max_size=8), st.booleans()),
        max_size=4,
    ),
    st.integers(1, 3),
)
def test_every_record_is_sent_once_and_in_order(
    steps: list[tuple[list[Record], bool]], partitions: int
) -> None:
    gatherer = Gatherer(partitions)
    messages: list[GatheredMessage] = []
    position = 0
    expected: list[list[int]] = [[] for _ in range(partitions)]
    for records, take in steps:
        for number, record in enumerate(records, position):
            match record:
                case EnrichedEvent():
                    expected[record.partition % partitions].append(number)
                case DropCounts():
                    expected[number % partitions].append(number)
                case EndOfSource():
                    for positions in expected:
                        positions.append(number)
        messages += gatherer.add_run(a_run(*records, first=position))
        position += len(records)
        messages += gatherer.take_all() if take else []
    messages += gatherer.take_all()

    for partition, positions in enumerate(expected):
        own = [message for message in messages if message.partition == partition]
        runs = [decode_message(message.data, 0, 0, NOON) for message in own]
        assert sum(len(run.records) for run in runs) == len(positions)
        assert [(message.first, message.last) for message in own] == bounds(positions, runs)
        assert [message.events for message in own] == [run.events for run in runs]


def bounds(positions: list[int], runs: list[Run]) -> list[tuple[int, int]]:
    """The first and last position of each run."""
    found, begin = [], 0
    for run in runs:
        end = begin + len(run.records)
        found.append((positions[begin], positions[end - 1]))
        begin = end
    return found

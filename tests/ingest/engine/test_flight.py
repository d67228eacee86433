from ingest.engine.flight import Flight
from ingest.engine.gatherer import GatheredMessage
from ingest.records.run import LogPoint


def a_message(first: int, last: int, size: int = 10) -> GatheredMessage:
    return GatheredMessage(0, bytes(size), first, last, last - first + 1)


def test_a_run_counts_once_all_of_its_messages_are_acknowledged() -> None:
    flight = Flight(LogPoint(0, 0))
    flight.add_run(LogPoint(4, 4), 100, 0.0)
    flight.add_run(LogPoint(6, 5), 101, 1.0)
    sent = [flight.send(a_message(*ends)) for ends in ((1, 5), (0, 3), (4, 4))]
    assert (flight.messages, flight.bytes) == (3, 30)
    for message, expected in zip(reversed(sent), ((0, 0), (0, 0), (6, 5)), strict=True):
        flight.acknowledge(message)
        flight.advance(None)
        assert flight.acknowledged == expected
    assert (flight.messages, flight.bytes) == (0, 0)
    assert flight.read == (6, 5)


def test_records_that_wait_to_be_sent_hold_it_back() -> None:
    flight = Flight(LogPoint(0, 0))
    for end in (2, 4, 6):
        flight.add_run(LogPoint(end, end), 100, 0.0)
    flight.acknowledge(flight.send(a_message(0, 2)))
    assert flight.advance(3)
    assert flight.acknowledged == (2, 2)
    assert not flight.advance(3)
    assert flight.advance(None)
    assert flight.acknowledged == (6, 6)


def test_a_run_without_messages_counts_at_once() -> None:
    flight = Flight(LogPoint(5, 5))
    flight.add_run(LogPoint(6, 5), 100, 0.0)
    assert flight.advance(None)
    assert flight.acknowledged == (6, 5)


def test_tells_what_has_waited_longest() -> None:
    flight = Flight(LogPoint(0, 0))
    assert flight.oldest_wait(5.0) == 0
    assert flight.oldest_log_time is None
    flight.add_run(LogPoint(1, 1), 100, 2.0)
    flight.add_run(LogPoint(2, 2), 90, 3.0)
    assert flight.oldest_wait(5.0) == 3
    assert flight.oldest_log_time == 100
    flight.acknowledge(flight.send(a_message(0, 0)))
    flight.advance(1)
    assert flight.oldest_wait(5.0) == 2
    assert flight.oldest_log_time == 90

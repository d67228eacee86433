"""The parts of the cluster's fault suite that need no cluster."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice

import pytest

from ingest.engine.message import POSITIONS, VERSION, encode_message
from ingest.model.event import EnrichedEvent
from ingest.records.encoding import encode
from tests.chaos.audit import audit
from tests.chaos.cluster.links import Links
from tests.chaos.cluster.plan import (
    Fault,
    Lane,
    lane_faults,
    lane_of,
    short_faults,
    single_faults,
)
from tests.chaos.cluster.topic_record import TopicRecord
from tests.chaos.cluster.traffic import HOT, LARGE_BYTES, USUAL, large_batch, padded
from tests.chaos.events import Figures, Outcome, Sent, StoredEvent, StoredSession
from tests.chaos.traffic import ENGAGEMENT, PAGEVIEW, POISON, uid_of, visit
from tests.cluster.node import Route
from tests.end_to_end.clickhouse_server import free_port
from tests.examples import an_enriched_event

START = 1_700_000_000
FIRST, SECOND, THIRD = (uid_of(1, sequence) for sequence in range(3))


def sent(sequence: int, name: str, page: str, outcome: Outcome = Outcome.ACKNOWLEDGED) -> Sent:
    return Sent(uid_of(1, sequence), 1, sequence, name, page, outcome, 202)


def stored(sequence: int, name: str, page: str, second: int) -> StoredEvent:
    return StoredEvent(uid_of(1, sequence), name, page, 101, START + second)


def session(figures: Figures) -> StoredSession:
    sums = (figures.events, figures.pageviews, figures.duration, figures.is_bounce)
    return StoredSession(101, 1, 1, sums, figures)


class TestAuditWithPositions:
    """Events of a visitor that pass through two fronts can overtake each other."""

    def test_figures_follow_the_order_in_the_topic(self) -> None:
        findings = audit(
            [sent(0, PAGEVIEW, "/a"), sent(1, PAGEVIEW, "/b")],
            [stored(0, PAGEVIEW, "/a", 0), stored(1, PAGEVIEW, "/b", 5)],
            [session(Figures(2, 2, START + 5, 5, 0, "/b", "/a"))],
            set(),
            {SECOND: 0, FIRST: 64},
        )
        assert findings.passed, findings.violations

    def test_engagement_that_overtakes_its_pageview_is_dropped(self) -> None:
        events = [sent(0, PAGEVIEW, "/a"), sent(1, ENGAGEMENT, "/a")]
        rows = [stored(0, PAGEVIEW, "/a", 0)]
        sessions = [session(Figures(1, 1, START, 0, 1, "/a", "/a"))]
        findings = audit(events, rows, sessions, set(), {SECOND: 0, FIRST: 64})
        assert findings.passed, findings.violations
        assert findings.dropped_later == 1
        findings = audit(events, rows, sessions, set(), {FIRST: 0, SECOND: 64})
        assert len(findings.violations["lost"]) == 1

    def test_an_acknowledged_event_that_the_topic_has_not_is_lost(self) -> None:
        findings = audit([sent(0, ENGAGEMENT, "/a")], [], [], set(), {})
        assert len(findings.violations["lost"]) == 1

    @pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNKNOWN])
    def test_what_the_topic_has_is_stored_whatever_was_answered(self, outcome: Outcome) -> None:
        events = [sent(0, PAGEVIEW, "/a", outcome)]
        assert audit(events, [], [], set(), {}).passed
        assert len(audit(events, [], [], set(), {FIRST: 0}).violations["lost"]) == 1
        findings = audit(
            events,
            [stored(0, PAGEVIEW, "/a", 0)],
            [session(Figures(1, 1, START, 0, 1, "/a", "/a"))],
            set(),
            {FIRST: 0},
        )
        assert findings.passed, findings.violations
        assert findings.refused_stored + findings.unknown_stored == 1


def message(source: int, *events: tuple[int, str]) -> bytes:
    """A message of a front with events of given positions and unique ids."""
    return encode_message(source, [(position, *encode(record_of(uid))) for position, uid in events])


def record_of(uid: str) -> EnrichedEvent:
    return an_enriched_event(props=(("uid", uid),))


class TestTopicRecord:
    def test_positions(self) -> None:
        record = TopicRecord()
        record.add(0, 7, message(1, (0, FIRST), (1, SECOND)))
        record.add(0, 8, message(1, (2, THIRD)))
        assert record.positions == {
            FIRST: 7 * POSITIONS,
            SECOND: 7 * POSITIONS + 1,
            THIRD: 8 * POSITIONS,
        }
        assert (record.next, record.copies, record.problems) == ({0: 9}, 0, [])

    def test_copies_count_once(self) -> None:
        record = TopicRecord()
        for offset in range(2):
            record.add(0, offset, message(1, (0, FIRST), (1, SECOND)))
        assert record.positions == {FIRST: 0, SECOND: 1}
        assert (record.copies, record.problems) == (2, [])

    def test_the_same_event_from_another_source_is_a_problem(self) -> None:
        record = TopicRecord()
        record.add(0, 0, message(1, (0, FIRST)))
        record.add(0, 1, message(2, (0, FIRST)))
        assert len(record.problems) == 1

    def test_a_visitor_in_two_partitions_is_a_problem(self) -> None:
        record = TopicRecord()
        record.add(0, 0, message(1, (0, FIRST)))
        record.add(1, 0, message(1, (1, SECOND)))
        assert len(record.problems) == 1

    def test_a_gap_is_a_problem(self) -> None:
        record = TopicRecord()
        record.add(0, 0, message(1, (0, FIRST)))
        record.add(0, 2, message(1, (1, SECOND)))
        assert len(record.problems) == 1

    def test_what_is_no_message_is_noted(self) -> None:
        record = TopicRecord()
        record.add(3, 5, bytes((VERSION + 1,)))
        assert (record.undecodable, record.next) == ([(3, 5)], {3: 6})


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(100):
                connection.sendall(data)

    def close(self) -> None:
        self._listener.close()


class TestLinks:
    @pytest.fixture
    def route(self) -> Iterator[Route]:
        echo = Echo()
        yield Route(free_port(), echo.port)
        echo.close()

    def test_forwards(self, route: Route) -> None:
        with Links({"a": [route]}), connect(route) as connection:
            connection.sendall(b"x")
            assert connection.recv(10) == b"x"

    def test_what_was_held_back_arrives_later(self, route: Route) -> None:
        with Links({"a": [route]}) as links, connect(route) as connection:
            connection.sendall(b"x")
            assert connection.recv(10) == b"x"
            links["a"].hang()
            connection.sendall(b"y")
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(10)
            links["a"].heal()
            connection.settimeout(30)
            assert connection.recv(10) == b"y"

    def test_a_cut_closes_all_connections_and_new_ones(self, route: Route) -> None:
        with Links({"a": [route]}) as links, connect(route) as connection:
            connection.sendall(b"x")
            assert connection.recv(10) == b"x"
            links["a"].cut()
            assert is_closed(connection)
            with connect(route) as another:
                assert is_closed(another)
            links["a"].heal()
            with connect(route) as another:
                another.sendall(b"z")
                assert another.recv(10) == b"z"

    def test_others_are_not_cut_off(self, route: Route) -> None:
        other = Route(free_port(), route.node)
        with Links({"a": [route], "b": [other]}) as links, connect(other) as connection:
            links["a"].cut()
            connection.sendall(b"x")
            assert connection.recv(10) == b"x"


def connect(route: Route) -> socket.socket:
    return socket.create_connection(("127.0.0.1", route.proxy), timeout=30)


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(10) == b""
    except ConnectionError:
        return True


def test_each_fault_is_of_one_lane_and_in_all_plans() -> None:
    for lane in Lane:
        expected = {fault for fault in Fault if lane_of(fault) is lane}
        assert set(islice(lane_faults(lane, 1), 40)) == expected
        assert set(short_faults(lane, 1)) <= expected
    assert Counter(islice(single_faults(1), len(Fault))) == Counter(Fault)


def test_plans_follow_their_seed() -> None:
    def some(seed: int) -> list[Fault]:
        return list(islice(chain(*(islice(lane_faults(lane, seed), 20) for lane in Lane)), 60))

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_traffic_has_poison_and_one_long_visit() -> None:
    events = chain.from_iterable(USUAL.visits(1, visitor) for visitor in range(100))
    assert any(event.name == POISON for event in events)
    assert len(list(islice(HOT.visits(1, HOT.first), 1000))) == 1000


def test_large_requests_are_large() -> None:
    events = list(visit(1, 8))
    sent_events, body = large_batch(events)
    assert 0.9 * LARGE_BYTES < len(body) <= LARGE_BYTES or len(sent_events) == len(events)
    assert len(padded(events[0])) == pytest.approx(LARGE_BYTES, abs=100)

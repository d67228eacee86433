import pytest

from actors.cluster.acknowledging import (
    AWAY_SECONDS,
    BACK_SECONDS,
    Acknowledgement,
    Acknowledging,
    Outage,
)
from tests.actors.cluster.fake_kafka import FakeVerdicts


@pytest.mark.parametrize(
    ("ack", "outage", "accepting"),
    [
        ("engine", "journal", True),
        ("engine", "refuse", False),
        ("journal", "journal", True),
        ("journal", "refuse", True),
    ],
)
def test_only_an_answer_that_needs_kafka_is_refused_without_it(
    ack: Acknowledgement, outage: Outage, accepting: bool
) -> None:
    verdicts = FakeVerdicts()
    acknowledging = Acknowledging(verdicts, ack, outage)
    assert acknowledging.accepting == accepting  # nothing is known of Kafka yet
    acknowledging.beat(0, caught_up=True, backlog=0)
    assert acknowledging.accepting
    assert verdicts.waits == (ack == "engine")
    acknowledging.beat(AWAY_SECONDS, caught_up=True, backlog=1)
    assert acknowledging.away
    assert acknowledging.accepting == accepting
    assert not verdicts.waits


@pytest.mark.parametrize(
    ("wait", "caught_up", "proved", "back"),
    [
        (0, True, False, True),
        (0, False, True, False),
        (BACK_SECONDS / 2, True, False, False),
        (BACK_SECONDS / 2, True, True, True),
        (BACK_SECONDS / 2, False, True, False),
        (BACK_SECONDS, True, True, False),
    ],
)
def test_kafka_is_back_once_it_acknowledges_in_time(
    wait: float, caught_up: bool, proved: bool, back: bool
) -> None:
    acknowledging = Acknowledging(FakeVerdicts(), "engine", "journal")
    acknowledging.prove()
    acknowledging.beat(AWAY_SECONDS, caught_up=True, backlog=1)
    if proved:
        acknowledging.prove()
    acknowledging.beat(wait, caught_up=caught_up, backlog=1)
    assert acknowledging.away != back
    assert acknowledging.waits == back


def test_a_new_producer_has_to_prove_itself() -> None:
    acknowledging = Acknowledging(FakeVerdicts(), "engine", "journal")
    acknowledging.beat(AWAY_SECONDS, caught_up=True, backlog=1)
    acknowledging.prove()
    acknowledging.begin()
    acknowledging.beat(0.5, caught_up=True, backlog=1)
    assert acknowledging.away

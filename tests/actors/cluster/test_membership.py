import pytest
from confluent_kafka import KafkaError

from actors.cluster.membership import FATAL, REFUSALS, Outcome, outcome_of


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (None, Outcome.ACCEPTED),
        (KafkaError.ILLEGAL_GENERATION, Outcome.REFUSED),
        (KafkaError.UNKNOWN_MEMBER_ID, Outcome.REFUSED),
        (KafkaError.REBALANCE_IN_PROGRESS, Outcome.REFUSED),
        (KafkaError.OFFSET_METADATA_TOO_LARGE, Outcome.REFUSED),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, Outcome.REFUSED),
        # The broker may have written it, and have waited in vain for the replicas.
        (KafkaError.COORDINATOR_NOT_AVAILABLE, Outcome.UNANSWERED),
        (KafkaError.NOT_COORDINATOR, Outcome.UNANSWERED),
        (KafkaError.REQUEST_TIMED_OUT, Outcome.UNANSWERED),
        (KafkaError._TRANSPORT, Outcome.UNANSWERED),
        (KafkaError._TIMED_OUT, Outcome.UNANSWERED),
        (KafkaError._WAIT_COORD, Outcome.UNANSWERED),
        (KafkaError._DESTROY, Outcome.UNANSWERED),
        (KafkaError.UNKNOWN, Outcome.UNANSWERED),
    ],
)
def test_an_error_says_what_became_of_a_commit(code: int | None, outcome: Outcome) -> None:
    assert outcome_of(code) is outcome


def test_a_fatal_error_is_no_refusal() -> None:
    assert KafkaError.FENCED_INSTANCE_ID in FATAL
    assert not FATAL & REFUSALS

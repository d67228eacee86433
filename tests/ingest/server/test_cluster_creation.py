"""What brokers may refuse; `tests/cluster` makes clusters on real ones."""

from collections.abc import Mapping

import pytest

from actors.cluster.admin import TopicShape
from actors.cluster.failure import KafkaFailure
from ingest.server.cluster_creation import CreationError, WantedCluster, create_cluster
from tests.ingest.engine.kafka_settings import settings_of


class RefusingAdmin:
    """Brokers that have a topic of letters, and refuse to make topics."""

    def __init__(self, failure: KafkaFailure) -> None:
        self._failure = failure

    async def topics(self) -> dict[str, TopicShape]:
        return {"sluice-letters": TopicShape(1, 3)}

    async def topic_settings(self, names: Mapping[str, object]) -> dict[str, dict[str, str]]:
        raise KafkaFailure("TOPIC_AUTHORIZATION_FAILED", "no", passing=False)

    async def create_topic(self, *topic: object) -> bool:
        raise self._failure

    def close(self) -> None:
        pass


async def refused(
    monkeypatch: pytest.MonkeyPatch, failure: KafkaFailure
) -> tuple[Exception, list[str]]:
    monkeypatch.setattr(
        "ingest.server.cluster_creation.Admin", lambda options: RefusingAdmin(failure)
    )
    said: list[str] = []
    with pytest.raises((CreationError, KafkaFailure)) as error:
        await create_cluster(settings_of(KAFKA_BROKERS="h:1"), WantedCluster(8, 3), said.append)
    return error.value, said


@pytest.mark.parametrize(
    "name", ["TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "POLICY_VIOLATION"]
)
async def test_topics_that_must_be_made_by_hand(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    error, said = await refused(monkeypatch, KafkaFailure(name, "no", passing=False))

    first, *commands = str(error).splitlines()
    assert "do not let this user make topics" in first
    assert [command.split(" ")[3] for command in commands] == [
        f"sluice-{topic}" for topic in ("events", "checkpoints", "salts", "control")
    ]
    assert said == ["sluice-letters: existed"]


async def test_other_refusals_name_the_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    error, _ = await refused(monkeypatch, KafkaFailure("INVALID_CONFIG", "odd", passing=False))
    assert type(error) is CreationError
    assert str(error) == "sluice-events: odd"


async def test_no_answer_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = KafkaFailure("_TIMED_OUT", "no answer")
    assert (await refused(monkeypatch, failure))[0] is failure

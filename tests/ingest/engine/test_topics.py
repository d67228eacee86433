import pytest

from ingest.engine.topics import TopicNames, topic_names, wanted_topics

HOURS = 3_600_000


def test_names() -> None:
    assert topic_names("") == TopicNames(
        "sluice-events",
        "sluice-checkpoints",
        "sluice-salts",
        "sluice-control",
        "sluice-letters",
        "sluice-workers",
    )
    assert topic_names("columbia-1.").topics == (
        "columbia-1.sluice-events",
        "columbia-1.sluice-checkpoints",
        "columbia-1.sluice-salts",
        "columbia-1.sluice-control",
        "columbia-1.sluice-letters",
    )


def test_all_topics_are_wanted() -> None:
    wanted = {topic.name: topic for topic in wanted_topics("x.", 16)}

    assert tuple(wanted) == topic_names("x.").topics
    assert [topic.partitions for topic in wanted.values()] == [16, 16, 1, 1, 1]
    assert {topic.replication for topic in wanted.values()} == {3}
    for topic in wanted.values():
        assert topic.settings["message.timestamp.type"] == "LogAppendTime"
        assert topic.settings["unclean.leader.election.enable"] == "false"


@pytest.mark.parametrize(
    ("number", "policy", "hours"),
    [(0, "delete", 48), (1, "delete", 48), (2, "delete", 47), (4, "delete", 14 * 24)],
)
def test_how_long_records_are_kept(number: int, policy: str, hours: int) -> None:
    settings = wanted_topics("")[number].settings

    assert settings["cleanup.policy"] == policy
    assert int(settings["retention.ms"]) == hours * HOURS


def test_a_salt_lives_for_48_hours_at_most() -> None:
    settings = wanted_topics("")[2].settings

    assert int(settings["retention.ms"]) + int(settings["segment.ms"]) == 48 * HOURS


def test_the_control_topic_keeps_the_last_record_of_each_key() -> None:
    settings = wanted_topics("")[3].settings

    assert settings["cleanup.policy"] == "compact"
    assert "retention.ms" not in settings


@pytest.mark.parametrize(("replication", "least"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_one_broker_may_be_away(replication: int, least: str) -> None:
    topics = wanted_topics("", replication=replication)

    assert {topic.settings["min.insync.replicas"] for topic in topics} == {least}
    assert {topic.replication for topic in topics} == {replication}

"""`sluice engine` on real brokers."""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from click.testing import Result
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from actors.imports.import_files import ImportFiles
from ingest.engine.heartbeat import Heartbeat, cluster_mac, encode_heartbeat
from ingest.engine.topics import topic_names, wanted_topics
from ingest.sessions.salts import Salt, Salts, serialise
from tests.cluster.brokers import Brokers
from tests.cluster.certificates import Authority
from tests.cluster.conftest import SECRET
from tests.cluster.node import PASSWORD, USER, Listener
from tests.ingest.commands.command_line import run
from tests.ingest.past.states import a_state

DAY: Final = 86_400

Set = Callable[..., None]


def created(*arguments: str) -> Result:
    result = run("engine", "create", *arguments)
    assert result.exit_code == 0, result.output
    return result


def altered(brokers: Brokers, topic: str, **settings: str) -> None:
    resource = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ],
    )
    for answer in brokers.admin.incremental_alter_configs([resource]).values():
        answer.result(60)
    brokers.await_changes()


def produced(brokers: Brokers, topic: str, key: bytes | None, *values: bytes) -> None:
    producer = Producer(brokers.options())
    for value in values:
        producer.produce(topic, value, key, 0)
    assert not producer.flush(60)


def test_create_makes_what_is_missing_and_nothing_twice(brokers: Brokers, prefix: str) -> None:
    first = created("--partitions", "4").output.splitlines()
    assert first[0] == f"{prefix}sluice-events: created (partitions: 4, replicas: 3)"
    assert first[5].startswith("cluster record: written (id: ")
    brokers.admin.delete_topics([f"{prefix}sluice-letters"])[f"{prefix}sluice-letters"].result(60)
    brokers.await_changes()

    again = created().output.splitlines()

    assert [line.partition(": ")[2].split(" ")[0] for line in again[:6]] == [
        *("existed", "existed", "existed", "existed", "created", "existed")
    ]
    assert again[5].replace("existed", "written") == first[5]
    check = run("engine", "check")
    assert check.exit_code == 0, check.output
    assert check.output.splitlines()[-1] == "the cluster can work: 0 problems, 0 warnings"


@pytest.mark.parametrize(
    ("arguments", "minutes", "reason"),
    [
        (("--partitions", "8"), "30", "exists with 4 partitions, not 8"),
        ((), "45", "exists with SLUICE_SESSION_MINUTES=30, not 45"),
    ],
)
def test_create_refuses_another_cluster_in_its_place(
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    minutes: str,
    reason: str,
) -> None:
    created("--partitions", "4")
    monkeypatch.setenv("SLUICE_SESSION_MINUTES", minutes)

    result = run("engine", "create", *arguments)

    assert result.exit_code == 1
    assert result.output.startswith("Error: the cluster ")
    assert reason in result.output
    assert result.output.count("\n") == 1


def test_create_refuses_topics_with_other_partitions(brokers: Brokers, prefix: str) -> None:
    brokers.create_topic(f"{prefix}sluice-checkpoints", 3)
    result = run("engine", "create", "--partitions", "4")
    assert result.exit_code == 1
    assert f"{prefix}sluice-checkpoints exists with 3 partitions instead of 4" in result.output


def test_create_needs_as_many_brokers_as_replicas(prefix: str) -> None:
    result = run("engine", "create", "--replication", "4")
    assert result.exit_code == 1
    assert "fewer brokers than the 4 replicas" in result.output
    assert "--replication 1 for a trial" in result.output


def test_one_replica_is_for_trials(prefix: str) -> None:
    assert (
        "warning: with 1 of 3 replicas" in created("--partitions", "2", "--replication", "1").output
    )
    check = run("engine", "check")
    assert check.exit_code == 0
    assert f"warning  {prefix}sluice-events has 1 replica:" in check.output


def test_what_is_taken_over_of_a_single_process(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())
    # The day stays the same.
    monkeypatch.setattr(time, "time", lambda: now)
    state = tmp_path / "single"
    state.mkdir()
    salts = Salts(Salt(secrets.token_bytes(16), now), Salt(secrets.token_bytes(16), now - DAY))
    (state / "salts.json").write_text(serialise(salts))
    ImportFiles(state / "imports").save(a_state(b"abc", done=True))

    first = created("--partitions", "2", "--from", str(state)).output
    again = created("--from", str(state)).output
    (state / "salts.json").write_text(serialise(Salts(Salt(secrets.token_bytes(16), now))))
    other = created("--from", str(state)).output

    assert first.count("taken; visitors keep their ids") == 2
    assert again.count("existed") == 8
    assert other.count("the cluster has another one; ids of visitors change") == 1
    assert salts.current.key.hex() not in first
    assert first.count("finished imports: 1 taken; they are not stored again") == 1


@pytest.mark.parametrize(
    ("topic", "settings", "level", "text"),
    [
        ("events", {"message_timestamp_type": "CreateTime"}, "problem", "is CreateTime"),
        ("events", {"retention_ms": "3600000"}, "warning", "events are lost if the store is away"),
        ("salts", {"retention_ms": "864000000"}, "problem", "kept for more than 48 hours"),
        ("events", {"min_insync_replicas": "1"}, "warning", "min.insync.replicas is 1"),
        ("events", {"min_insync_replicas": "3"}, "warning", "min.insync.replicas is 3"),
        ("control", {"cleanup_policy": "delete"}, "problem", "cleanup.policy is delete"),
    ],
)
def test_check_finds_wrong_settings(
    brokers: Brokers, prefix: str, topic: str, settings: dict[str, str], level: str, text: str
) -> None:
    created("--partitions", "2")
    altered(brokers, f"{prefix}sluice-{topic}", **settings)

    result = run("engine", "check")

    assert result.exit_code == (1 if level == "problem" else 0)
    (line,) = [line for line in result.output.splitlines() if text in line]
    assert line.startswith(f"  {level:<7}  {prefix}sluice-{topic}: ")


def test_check_finds_other_partitions(brokers: Brokers, prefix: str) -> None:
    for topic in wanted_topics(prefix, 2):
        brokers.create_topic(topic.name, topic.partitions + 1, topic.settings)

    result = run("engine", "check")

    assert result.exit_code == 1
    assert f"problem  {prefix}sluice-salts has 2 partitions instead of 1" in result.output
    assert f"problem  {prefix}sluice-control has no cluster record" in result.output


def test_status_shows_members_and_lag(brokers: Brokers, prefix: str) -> None:
    created("--partitions", "2")
    cluster = json.loads(run("engine", "status", "--json").stdout)
    names = topic_names(prefix)
    beat = Heartbeat(
        *("ab" * 8, "worker", "host1", "1.2.3", time.time(), 20.0),
        cluster_mac(SECRET, cluster["cluster_id"]),
        partitions={0: 3},
    )
    produced(brokers, names.control, beat.key, encode_heartbeat(beat))
    produced(brokers, names.events, None, *[b"message"] * 5)
    consumer = Consumer({**brokers.options(), "group.id": names.workers})
    consumer.commit(offsets=[TopicPartition(names.events, 0, 2)], asynchronous=False)
    consumer.close()

    result = run("engine", "status")
    found = json.loads(run("engine", "status", "--json").stdout)

    assert result.exit_code == 0, result.output
    (member,) = found["members"]
    assert (member["host"], member["version"], member["running"]) == ("host1", "1.2.3", True)
    first, second = found["partitions"]
    assert (first["owner"], first["committed"], first["end"], first["lag"]) == (
        *("worker host1 (ababab)", 2, 5, 3),
    )
    assert 0 <= first["oldest_seconds"] == found["oldest_seconds"]
    assert 0 <= first["retention_used"] < 1
    assert (second["owner"], second["committed"], second["lag"]) == (None, None, 0)
    assert "partitions without a worker: 1" in result.output
    assert "messages not stored: 3" in result.output


def test_status_without_a_cluster(prefix: str) -> None:
    result = run("engine", "status")
    assert result.exit_code == 1
    assert "make it with `sluice engine create`" in result.output


@pytest.fixture
def impatient(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for brokers that will not answer."""
    monkeypatch.setattr("actors.cluster.admin.ANSWER_SECONDS", 5.0)


@pytest.fixture
def given(prefix: str, brokers: Brokers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Set:
    """Gives settings; names of files of certificates stand for what is in them."""
    certificates = brokers.directory / "certificates"
    other = Authority(tmp_path / "other", "other")
    other.issue("stranger")
    texts = {
        path.name: path.read_text()
        for directory in (certificates, tmp_path / "other")
        for path in directory.glob("*.*")
    }

    def give(**variables: str) -> None:
        for variable, value in variables.items():
            monkeypatch.setenv(variable, texts.get(value, value))

    return give


TLS: Final = {
    "KAFKA_TRUSTED_CERT": "authority.pem",
    "KAFKA_CLIENT_CERT": "client.pem",
    "KAFKA_CLIENT_CERT_KEY": "client.key",
}
SCRAM: Final = {
    "KAFKA_TRUSTED_CERT": "authority.pem",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
    "KAFKA_SASL_USERNAME": USER,
    "KAFKA_SASL_PASSWORD": PASSWORD,
}


@pytest.mark.parametrize(
    ("listener", "settings"), [(Listener.SSL, TLS), (Listener.SASL_SSL, SCRAM)]
)
def test_check_and_create_over_tls(
    brokers: Brokers, given: Set, listener: Listener, settings: dict[str, str]
) -> None:
    given(**settings, KAFKA_BROKERS=brokers.addresses(listener))
    created("--partitions", "2")
    result = run("engine", "check")
    assert result.exit_code == 0, result.output
    assert f"answer ({listener.lower()})" in result.output
    assert run("engine", "status").exit_code == 0


def test_the_host_in_a_certificate_is_checked_unless_an_option_says_no(
    brokers: Brokers, given: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(**TLS, KAFKA_BROKERS=brokers.addresses(Listener.SSL, host="localhost"))
    with monkeypatch.context() as patch:
        patch.setattr("actors.cluster.admin.ANSWER_SECONDS", 5.0)
        check = run("engine", "check")
    assert check.exit_code == 1
    assert "cannot be trusted" in check.output
    given(SLUICE_KAFKA_OPTIONS="ssl.endpoint.identification.algorithm=none")
    created("--partitions", "2")
    assert run("engine", "check").exit_code == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("listener", "settings", "text"),
    [
        (
            Listener.SASL_SSL,
            SCRAM | {"KAFKA_SASL_PASSWORD": "a-wrong-one"},
            "the brokers refuse the user or the password",
        ),
        (
            Listener.SASL_SSL,
            SCRAM | {"KAFKA_SASL_MECHANISM": "PLAIN"},
            "do not take this KAFKA_SASL_MECHANISM, only SCRAM-SHA-256",
        ),
        (Listener.SSL, TLS | {"KAFKA_TRUSTED_CERT": "other.pem"}, "cannot be trusted"),
        (
            Listener.SSL,
            {"KAFKA_TRUSTED_CERT": "authority.pem"},
            "the brokers want a certificate of ours",
        ),
        (
            Listener.SSL,
            TLS | {"KAFKA_CLIENT_CERT": "stranger.pem", "KAFKA_CLIENT_CERT_KEY": "stranger.key"},
            "the brokers refuse our certificate",
        ),
        (
            Listener.SSL,
            TLS | {"KAFKA_CLIENT_CERT_KEY": "stranger.key"},
            "KAFKA_CLIENT_CERT_KEY is not the key of KAFKA_CLIENT_CERT",
        ),
        (Listener.SSL, {}, "their port is probably one for TLS"),
        (Listener.PLAINTEXT, TLS, "does not speak TLS"),
        (
            Listener.SASL_SSL,
            {"KAFKA_TRUSTED_CERT": "authority.pem"},
            "they probably want a user",
        ),
        (None, {"KAFKA_BROKERS": "127.0.0.1:1"}, "nothing listens at 127.0.0.1:1"),
        (
            None,
            {"KAFKA_BROKERS": "no-such-host.invalid:9092"},
            "the host of a broker is not known: no-such-host.invalid:9092",
        ),
        (None, {"KAFKA_BROKERS": ""}, "KAFKA_URL or KAFKA_BROKERS is needed"),
        (
            None,
            {"SLUICE_KAFKA_OPTIONS": "no.such.option=hidden-value"},
            "SLUICE_KAFKA_OPTIONS: no option is called no.such.option",
        ),
    ],
)
def test_check_says_why_the_brokers_cannot_be_asked(
    brokers: Brokers, given: Set, listener: Listener | None, settings: dict[str, str], text: str
) -> None:
    addresses = {} if listener is None else {"KAFKA_BROKERS": brokers.addresses(listener)}
    given(**addresses | settings)

    result = run("engine", "check")

    assert result.exit_code == 1
    problems = [line for line in result.output.splitlines() if line.startswith("  problem")]
    assert len(problems) == 1, result.output
    assert text in problems[0]
    for hidden in ("a-wrong-one", PASSWORD, SECRET, "hidden-value", "PRIVATE KEY"):
        assert hidden not in result.output


@pytest.mark.usefixtures("impatient")
def test_create_and_status_say_so_too(given: Set) -> None:
    given(KAFKA_BROKERS="127.0.0.1:1")
    for command in ("create", "status"):
        result = run("engine", command)
        assert result.exit_code == 1
        assert result.output.startswith("Error: nothing listens at 127.0.0.1:1\n→ ")

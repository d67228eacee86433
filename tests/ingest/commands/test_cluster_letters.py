import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from actors.cluster.failure import KafkaFailure
from ingest.engine.cluster_letters import ClusterLetters, KeptLetter
from ingest.engine.letter_record import VERSION, LetterHeader, Mark, mark_of
from ingest.rows.batch import Insert
from ingest.server import cluster_letters as server
from ingest.server.cluster_survey import NoClusterError
from ingest.settings import Settings
from tests.actors.fakes import LettersAtOnce
from tests.examples import NOON
from tests.ingest.commands.command_line import run

EVENT = LetterHeader(
    VERSION,
    "c-3-3-640",
    "enriched_event",
    3,
    640,
    NOON,
    "sessions",
    "ValueError at take:80",
    redriven=1,
    about={"domain": "example.com", "timestamp": NOON},
)
MESSAGE = LetterHeader(VERSION, "message-3-9", "message", 3, None, NOON, "log", "version 9")


class Topic:
    """The letters topic, instead of Kafka."""

    def __init__(self) -> None:
        self.letters = ClusterLetters()
        self.letters.take(EVENT, 0, 10)
        self.letters.take(MESSAGE, 1, 10)
        self.texts: dict[str, bytes | None] = {EVENT.id: b'{"id": "x"}', MESSAGE.id: b"\0\1"}
        self.failure: Exception | None = None

    async def survey(self, settings: Settings) -> ClusterLetters:
        if self.failure is not None:
            raise self.failure
        return self.letters

    async def read(self, settings: Settings, letter: KeptLetter) -> bytes | None:
        return self.texts[letter.header.id]

    async def mark(self, settings: Settings, letters: Sequence[LetterHeader], mark: Mark) -> None:
        for letter in letters:
            self.letters.take(mark_of(letter, mark, NOON), 2, 1)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LettersAtOnce:
    """A state directory with one letter, in a cluster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_STATE_DIR", "state")
    monkeypatch.delenv("KAFKA_URL", raising=False)
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:9092")
    letters = LettersAtOnce(tmp_path / "state" / "dead-letters", lambda: float(NOON))
    letters.keep("writer", Insert("events_v2", ((1,),), "t"), "does not fit")
    return letters


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    topic = Topic()
    replaced: dict[str, Callable[..., Awaitable[object]]] = {
        "survey_letters": topic.survey,
        "read_letter": topic.read,
        "mark_letters": topic.mark,
    }
    for name, function in replaced.items():
        monkeypatch.setattr(server, name, function)
    return topic


def test_files_and_the_cluster_are_listed(files: LettersAtOnce, topic: Topic) -> None:
    result = run("dead-letters", "--json")
    assert result.exit_code == 0
    first, *others = [json.loads(line) for line in result.stdout.splitlines()]
    assert (first["kind"], first["place"]) == ("rows", "state_directory")
    assert others[0] == {
        "id": EVENT.id,
        "kind": "enriched_event",
        "actor": "sessions",
        "created_at": "2026-09-22T12:00:00+00:00",
        "error": "ValueError at take:80",
        "domain": "example.com",
        "timestamp": NOON,
        "partition": 3,
        "redriven": 1,
        "place": "cluster",
        "to_be_replayed": False,
    }
    assert [each["id"] for each in others] == [EVENT.id, MESSAGE.id]


def test_letters_of_the_cluster_are_shown(files: LettersAtOnce, topic: Topic) -> None:
    assert json.loads(run("dead-letters", "show", EVENT.id).stdout) == {"id": "x"}
    message = json.loads(run("dead-letters", "show", MESSAGE.id).stdout)
    assert (message["error"], message["message"]) == ("version 9", "AAE=")
    topic.texts[EVENT.id] = None
    result = run("dead-letters", "show", EVENT.id)
    assert (result.exit_code, result.stderr) == (1, f"Error: {_unknown(EVENT.id)}\n")


def test_letters_are_found_wherever_they_are(files: LettersAtOnce, topic: Topic) -> None:
    (own,) = files.ids()
    result = run("dead-letters", "replay", own, EVENT.id)
    assert result.stdout == f"{own} will be replayed\n{EVENT.id} will be replayed\n"
    listed = [
        json.loads(line) for line in run("dead-letters", "list", "--json").stdout.splitlines()
    ]
    assert [each["to_be_replayed"] for each in listed] == [True, True, False]
    result = run("dead-letters", "drop", EVENT.id, own, MESSAGE.id)
    assert result.stdout == f"{own} dropped\n{EVENT.id} dropped\n{MESSAGE.id} dropped\n"
    assert run("dead-letters", "--json").stdout == ""


def test_the_others_are_changed_although_one_is_unknown(files: LettersAtOnce, topic: Topic) -> None:
    result = run("dead-letters", "drop", "nobody", EVENT.id)
    assert (result.exit_code, result.stdout) == (1, f"{EVENT.id} dropped\n")
    assert result.stderr == f"Error: {_unknown('nobody')}\n"


def test_what_cannot_be_decoded_cannot_be_replayed(files: LettersAtOnce, topic: Topic) -> None:
    result = run("dead-letters", "replay", EVENT.id, MESSAGE.id)
    assert result.exit_code == 1
    assert f"{MESSAGE.id} cannot be replayed" in result.stderr
    assert topic.letters.to_redrive("enriched_event") == []


def _unknown(letter_id: str) -> str:
    return f"no dead letter has the id {letter_id!r}"


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (KafkaFailure("_ALL_BROKERS_DOWN", "all brokers are down"), "letters of the cluster: "),
        (NoClusterError("there is no topic"), "letters of the cluster: there is no topic"),
    ],
)
def test_file_letters_do_not_need_kafka(
    files: LettersAtOnce, topic: Topic, failure: Exception, text: str
) -> None:
    topic.failure = failure
    (own,) = files.ids()
    result = run("dead-letters", "list", "--json")
    assert (result.exit_code, len(result.stdout.splitlines())) == (1, 1)
    assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert run("dead-letters", "show", own).exit_code == 0
    assert run("dead-letters", "replay", own).exit_code == 0
    assert run("dead-letters", "drop", own).exit_code == 0
    result = run("dead-letters", "show", EVENT.id)
    assert result.exit_code == 1
    assert text in result.stderr


def test_without_the_client(
    files: LettersAtOnce, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.check.cluster.client_installed", lambda: False)
    result = run("dead-letters", "--json")
    assert (result.exit_code, len(result.stdout.splitlines())) == (1, 1)
    assert result.stderr == (
        "Error: letters of the cluster: Kafka's client is not installed: "
        "pip install 'sluice-collector[kafka]'\n"
    )


def test_settings_that_contradict_each_other(
    files: LettersAtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", "PLAIN")
    result = run("dead-letters", "--json")
    assert (result.exit_code, len(result.stdout.splitlines())) == (1, 1)
    assert "letters of the cluster: KAFKA_SASL_USERNAME" in result.stderr

"""Every command that prints facts has `--json`, and then prints a JSON object per line."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from actors.letters.letter_directory import LetterDirectory
from ingest.check.report import Report, ok, section
from ingest.cli import commands
from ingest.commands.loading import CommandToLoad
from ingest.http.live.event_stream import encode
from ingest.observation.event_summary import as_json
from ingest.plausible.tables import PlausibleData
from ingest.rows.batch import Insert
from tests.actors.fakes import LettersAtOnce
from tests.examples import NOON
from tests.ingest.commands.command_line import run
from tests.ingest.commands.test_events import ACCEPTED, DROPS, FakeServer, server
from tests.ingest.commands.test_stats import Store
from tests.ingest.engine.test_cluster_status import status

__all__ = ["server"]

LOG = (
    '192.0.2.1 - - [24/Nov/2026:14:37:51 +0000] "GET /a HTTP/1.1" 200 12 "-" '
    '"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"\n'
)

ANSWER = {"errors": {}, "answer": {"status": 202, "headers": {}}, "client": {}, "domains": []}

WITHOUT = {
    "serve": "prints a log",
}

COMMANDS = [
    "check",
    "dead-letters drop LETTER",
    "dead-letters list",
    "dead-letters replay LETTER",
    "dead-letters show LETTER",
    "drops",
    "engine check",
    "engine create --partitions 8",
    "engine status",
    "import events --site one.example --dry-run",
    "init --domain two.example",
    "query SELECT",
    "settings",
    "shield add 1 ip 192.0.2.1",
    "shield list 1",
    "shield remove 1 page /a",
    "sites add two.example --server-key",
    "sites change 1 --until 2030-01-01",
    "sites import-plausible postgres://h/d --no-salts",
    "sites list",
    "sites rates EUR=0.9",
    "sites remove 1 --yes",
    "sites show 1",
    "stats 1",
    "tail",
    "validate --body event",
]


def walk(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """All commands that are no groups, by their names."""
    for name, listed in group.commands.items():
        command = listed.load() if isinstance(listed, CommandToLoad) else listed
        if isinstance(command, click.Group):
            yield from walk(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def test_every_command_has_it() -> None:
    having = {
        name
        for name, command in walk(commands)
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert {name for name, _ in walk(commands)} - having == WITHOUT.keys()
    assert {name for name in having if not any(each.startswith(name) for each in COMMANDS)} == set()


@pytest.fixture
def letter(
    sites_file: Path, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A machine with something of everything, and the id of a dead letter there."""
    sites_file.write_text(
        '[[site]]\nid = 1\ndomain = "one.example"\n[site.shields]\npages = ["/a"]\n'
    )
    Path("event").write_text("{}")
    Path("events").write_text(LOG)
    server.answers = {
        "/api/drops": json.dumps({"drops": [as_json(DROPS[0])], "since": NOON}).encode(),
        "/api/live": encode([ACCEPTED]),
        "/api/event/validate": json.dumps(ANSWER).encode(),
        "/ready": b"{}",
    }
    for name in ("KAFKA_URL", "KAFKA_BROKERS"):
        monkeypatch.delenv(name, raising=False)
    LettersAtOnce(tmp_path / "dead-letters", lambda: float(NOON)).keep(
        "writer", Insert("events_v2", ((1,),), "t"), "does not fit"
    )

    async def survey(settings: object) -> object:
        return status()

    async def create(settings: object, asked: object, tell: Callable[[str], object]) -> None:
        tell("topic sluice-events: created")

    report = Report((section("machine", [ok("it is noon")]),))
    monkeypatch.setattr("ingest.check.check", lambda *configuration: report)
    monkeypatch.setattr("ingest.check.cluster.check_engine", lambda settings: report)
    monkeypatch.setattr("ingest.check.cluster.client_installed", lambda: True)
    monkeypatch.setattr("ingest.server.cluster_creation.create_cluster", create)
    monkeypatch.setattr("ingest.server.cluster_survey.survey_status", survey)
    monkeypatch.setattr("ingest.client.query.query", lambda settings, sql: ['{"one":1}'])
    monkeypatch.setattr("ingest.commands.stats.ask_all", Store().ask_all)
    monkeypatch.setattr(
        "ingest.commands.import_plausible.read_plausible", lambda url: PlausibleData(())
    )
    monkeypatch.setattr("ingest.commands.sites_file.RELOAD_SECONDS", 0.0)
    (letter_id,) = LetterDirectory(tmp_path / "dead-letters").scan().letters
    return letter_id


@pytest.mark.parametrize("command", COMMANDS)
def test_every_line_is_an_object(letter: str, command: str) -> None:
    result = run(*command.replace("LETTER", letter).split(), "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines
    assert all(isinstance(line, dict) for line in lines)

"""What is decided without brokers; `tests/cluster` has the rest."""

import pytest

from ingest.check.cluster import INSTALL_CLIENT, check_cluster, check_engine
from ingest.check.report import Level
from tests.ingest.commands.command_line import run
from tests.ingest.engine.kafka_settings import settings_of

SECRET = "0123456789abcdef0123456789abcdef"


def test_without_brokers_in_the_settings() -> None:
    report = check_engine(settings_of(SLUICE_CLUSTER_SECRET=SECRET))

    assert [section.title for section in report.sections] == ["connection"]
    (result,) = report.sections[0].results
    assert (result.level, "KAFKA_BROKERS is needed" in result.text) == (Level.PROBLEM, True)
    assert list(report.lines())[-1] == "the cluster cannot work: 1 problem, 0 warnings"


def test_a_process_needs_the_settings_of_one_role_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.check.cluster.client_installed", lambda: False)

    def levels(**variables: str) -> list[tuple[Level, str]]:
        report = check_engine(settings_of(KAFKA_BROKERS="h:1", **variables))
        return [(each.level, each.text.split("`")[1]) for each in report.sections[-1].results]

    front, worker = "sluice serve --role front", "sluice serve --role worker"
    assert levels() == [(Level.WARNING, front), (Level.WARNING, worker)]
    assert levels(SLUICE_CLUSTER_SECRET=SECRET) == [(Level.OK, front), (Level.OK, worker)]


@pytest.mark.parametrize("command", ["create", "check", "status"])
def test_without_kafkas_client(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr("ingest.check.cluster.client_installed", lambda: False)

    result = run("engine", command)

    assert result.exit_code == 1
    assert result.output == f"Error: Kafka's client is not installed: {INSTALL_CLIENT}\n"


def test_the_check_of_a_process_says_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.check.cluster.client_installed", lambda: False)

    (result,) = check_cluster(settings_of(KAFKA_BROKERS="h:1"))

    assert (result.level, result.advice) == (Level.PROBLEM, INSTALL_CLIENT)

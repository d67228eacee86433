import os

import pytest

from ingest.engine.heartbeat import Role
from ingest.engine.role_settings import cluster_problems
from tests.ingest.engine.kafka_settings import settings_of

BROKERS = {"KAFKA_BROKERS": "a:9092"}
STORE = {"CLICKHOUSE_URL": "clickhouse://u:p@h:9000/d"}
SECRET = {"SLUICE_CLUSTER_SECRET": "x" * 32}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("KAFKA_", "SLUICE_", "CLICKHOUSE_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("role", "variables", "beginnings"),
    [
        ("front", {}, ["KAFKA_URL or KAFKA_BROKERS is needed", "SLUICE_CLUSTER_SECRET is needed"]),
        ("front", BROKERS, ["SLUICE_CLUSTER_SECRET is needed: at least 32 random characters"]),
        ("front", BROKERS | SECRET, []),
        (
            "front",
            BROKERS | SECRET | {"SLUICE_DURABILITY": "memory"},
            ["SLUICE_DURABILITY: expected journal, got memory"],
        ),
        ("worker", STORE, ["KAFKA_URL or KAFKA_BROKERS is needed"]),
        ("worker", BROKERS, ["CLICKHOUSE_URL: expected clickhouse://"]),
        ("worker", BROKERS | STORE, []),
    ],
)
def test_what_a_role_needs(role: Role, variables: dict[str, str], beginnings: list[str]) -> None:
    problems = cluster_problems(settings_of(**variables), role)

    assert len(problems) == len(beginnings)
    for text, beginning in zip(problems, beginnings, strict=True):
        assert text.startswith(beginning)

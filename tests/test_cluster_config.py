"""The configurations of a cluster use settings that exist, and give each process its own state."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.engine.connection import connection_problems
from ingest.setting_display import describe_settings
from ingest.settings import Settings

CONFIG = Path(__file__).parents[1] / "config"
PROCFILE = CONFIG / "Procfile.cluster"
COMPOSE: dict[str, Any] = yaml.safe_load((CONFIG / "compose.cluster.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SLUICE = {name: service for name, service in SERVICES.items() if "build" in service}
SERVERS = {name: one for name, one in SLUICE.items() if "serve" in one["command"]}
BROKERS = {name: one for name, one in SERVICES.items() if "kafka" in one.get("image", "")}

KNOWN = {description.name for description in describe_settings()}


def test_the_procfile() -> None:
    lines = dict(line.split(": ", 1) for line in PROCFILE.read_text().splitlines())
    assert lines.keys() == {"web", "worker"}
    for name, role in (("web", "front"), ("worker", "worker")):
        command = lines[name]
        assert command.endswith(f" sluice serve --role {role}")
        assert set(re.findall(r"\b([A-Z_]+)=", command)) == {"SLUICE_STATE_DIR"}
        # Several run on a machine, each on its port and with its directory.
        assert f"/{role}-$PORT " in command


def test_the_processes() -> None:
    assert sorted(SERVERS) == ["front1", "front2", "worker1", "worker2"]
    for name, service in SERVERS.items():
        assert service["command"] == f"serve --role {name.rstrip('12')}"
        assert service["volumes"][0] == f"{name}:/var/lib/sluice"
    published = [port for service in SERVERS.values() for port in service.get("ports", ())]
    assert published == ["8000:8000", "8001:8000"]


@pytest.mark.parametrize("name", SLUICE)
def test_settings_exist_and_fit(name: str) -> None:
    environment: dict[str, str] = SLUICE[name]["environment"]
    assert environment.keys() <= KNOWN
    texts: dict[str, Any] = {
        key: re.sub(r"\$\{.*\}", "x" * 32, value) for key, value in environment.items()
    }
    assert connection_problems(Settings(**texts)) == []
    assert environment["KAFKA_BROKERS"].split(",") == [f"{broker}:9092" for broker in BROKERS]


def test_brokers() -> None:
    assert len(BROKERS) == 3
    for number, (name, service) in enumerate(BROKERS.items(), 1):
        environment = service["environment"]
        assert environment["KAFKA_NODE_ID"] == str(number)
        assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{name}:9092"
        assert f"{number}@{name}:9093" in environment["KAFKA_CONTROLLER_QUORUM_VOTERS"]
        assert service["volumes"] == [f"{name}:{environment['KAFKA_LOG_DIRS']}"]


def test_what_is_named_exists() -> None:
    volumes = [
        volume.partition(":") for one in SERVICES.values() for volume in one.get("volumes", ())
    ]
    named = {source for source, _, _ in volumes if not source.startswith(".")}
    assert named == COMPOSE["volumes"].keys()
    assert {needed for one in SERVICES.values() for needed in one.get("depends_on", ())} <= (
        SERVICES.keys()
    )
    for source, _, _ in volumes:
        assert not source.startswith(".") or (CONFIG / source).exists()

"""The image and the compositions, as far as can be told without a container engine."""

import json
import re
import shlex
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from ingest.cli import commands
from ingest.commands.loading import CommandToLoad
from ingest.setting_display import describe_settings
from ingest.settings import Settings
from tests.documentation import CADDYFILE, CONTAINERS, PROXY, blocks

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = ROOT / "compose.yaml"
CLUSTER = ROOT / "config" / "compose.cluster.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
SLUICE = {name: service for name, service in SERVICES.items() if "build" in service}


def composition(path: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(path.read_text())
    return parsed


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with its arguments on one line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    lines = (line.partition(" ") for line in text.splitlines() if line)
    return [(name, arguments.strip()) for name, _, arguments in lines]


def with_defaults(text: str) -> str:
    """Replace variables by their defaults, as Compose does."""
    return re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text)


@pytest.mark.parametrize("path", [COMPOSE, CLUSTER], ids=lambda path: path.name)
def test_the_schema_of_compositions(path: Path) -> None:
    parsed = composition(path)
    PyCompose.from_json(json.dumps(parsed)).validate()
    with pytest.raises(ValueError, match="comand"):
        PyCompose.from_json(json.dumps({"services": {"a": {"comand": "x"}}}))


def test_what_is_named_exists() -> None:
    parsed = composition(COMPOSE)
    for service in SERVICES.values():
        assert set(service.get("networks", ())) <= parsed["networks"].keys()
        assert set(service.get("depends_on", ())) <= SERVICES.keys()
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in parsed["volumes"] or (ROOT / source).is_file()


@pytest.mark.parametrize("name", SLUICE)
def test_sluice_may_do_as_little_as_possible(name: str) -> None:
    service = SLUICE[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service
    # The only places to which it may write.
    assert service["volumes"] == ["sluice:/var/lib/sluice"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - in the container


@pytest.mark.parametrize("name", SLUICE)
def test_settings_and_commands_exist(name: str) -> None:
    environment = {key: with_defaults(text) for key, text in SLUICE[name]["environment"].items()}
    assert environment.keys() <= {description.name for description in describe_settings()}
    given: dict[str, Any] = {key: text for key, text in environment.items() if text}
    assert Settings(**given).clickhouse_url == "clickhouse://sluice:sluice@clickhouse:9000/sluice"
    arguments = [with_defaults(text) for text in SLUICE[name].get("command", ["serve"])]
    command = commands.commands[arguments[0]]
    if isinstance(command, CommandToLoad):
        command = command.load()
    context = command.make_context(arguments[0], arguments[1:])
    if name == "sites":
        assert context.params["domains"] == ("example.com",)
        assert context.params["host"] == "https://localhost"


def test_a_stop_waits_for_the_drain() -> None:
    seconds = int(SERVICES["sluice"]["stop_grace_period"].removesuffix("s"))
    assert seconds > Settings().shutdown_seconds
    assert SERVICES["sluice"]["init"] is True


def test_only_sluice_reaches_the_store() -> None:
    reaching = {name for name, one in SERVICES.items() if "store" in one.get("networks", ())}
    assert reaching == {"sluice", "clickhouse"}
    assert composition(COMPOSE)["networks"]["store"] == {"internal": True}


def test_caddy_is_as_documented() -> None:
    """`tests/end_to_end/test_proxies.py` runs it."""
    (documented,) = blocks(PROXY, "caddyfile")
    text = re.sub(r"^#.*\n", "", CADDYFILE.read_text(), flags=re.MULTILINE)
    assert text == documented.replace("stats.example.com", "{$STATS_HOST:localhost}").replace(
        "127.0.0.1:8000", "sluice:8000"
    )


def test_hadolint() -> None:
    program = Path(sys.executable).with_name("hadolint")
    subprocess.run([program, ROOT / "Dockerfile"], check=True)


def test_the_image_runs_as_nobody_in_particular() -> None:
    last = dict(instructions())
    user, _, group = last["USER"].partition(":")
    assert user.isdigit()
    assert group.isdigit()
    assert last["VOLUME"] == last["WORKDIR"] == "/var/lib/sluice"
    assert json.loads(last["ENTRYPOINT"]) == ["sluice"]
    assert json.loads(last["CMD"]) == ["serve"]
    made = next(arguments for name, arguments in instructions() if "useradd" in arguments)
    assert f"--uid {user} " in made


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
def test_the_health_check_asks_the_server_itself(proxy: str) -> None:
    """The engine may give its proxies to all containers."""
    (_, command) = dict(instructions())["HEALTHCHECK"].split("CMD ")
    python, *arguments = json.loads(command)
    assert python == "python"
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        environment = {"PORT": str(server.server_port), "http_proxy": proxy}
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            subprocess.run([sys.executable, *arguments], env=environment, check=True)
        finally:
            server.shutdown()
            serving.join()


def test_both_stages_have_one_base() -> None:
    bases = [arguments.split()[0] for name, arguments in instructions() if name == "FROM"]
    assert len(bases) == 2
    assert len(set(bases)) == 1


def test_what_is_copied_exists_and_is_sent_to_the_engine() -> None:
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for name, arguments in instructions()
        if name == "COPY" and not arguments.startswith("--from")
        for source in arguments.split()[:-1]
    }
    assert copied == sent
    assert all((ROOT / source).exists() for source in sent)


def test_each_list_of_packages_can_be_chosen() -> None:
    default = dict(instructions())["ARG"].partition("=")[2]
    assert {default, "embedded"} <= {path.stem for path in (ROOT / "requirements").iterdir()}


def test_the_documented_variables() -> None:
    used = re.findall(r"\$\{(\w+)", COMPOSE.read_text())
    page = CONTAINERS.read_text()
    assert all(f"`{name}`" in page for name in used)


def test_the_documented_builds() -> None:
    for block in blocks(CONTAINERS, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:2] == ["docker", "build"] and "--build-arg" in words:
                name, _, value = words[words.index("--build-arg") + 1].partition("=")
                assert f"ARG {name}=" in DOCKERFILE
                assert (ROOT / "requirements" / f"{value}.txt").exists()

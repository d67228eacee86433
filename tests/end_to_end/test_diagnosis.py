"""An event dropped for each reason, explained before sending, in the response, and afterwards."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.sluice import CHROME, Sluice
from tests.waiting import WAIT_SECONDS, wait_until

ADMIN_TOKEN = "admin-token-of-the-tests"
BEARER = {"authorization": f"Bearer {ADMIN_TOKEN}"}
PUBLIC = {"x-forwarded-for": "198.51.100.77"}
SHIELDED = {"url": "https://shielded.example/a", "domain": "shielded.example"}

CASES: list[Any] = [
    pytest.param({"r": "https://www.0-0.fr/x"}, {}, "spam_referrer", "0-0.fr", id="spam"),
    pytest.param(
        {"domain": "nowhere.example"}, {}, "not_found", "no site has the domain", id="unknown"
    ),
    pytest.param(
        {"domain": "ended.example"},
        {},
        "payment_required",
        "accept_traffic_until = 2020-01-01",
        id="ended",
    ),
    pytest.param(
        {"domain": "blocked.example"},
        {},
        "block",
        "rate_limit = { events = 0, seconds = 60 }",
        id="blocked",
    ),
    pytest.param(
        {"domain": "limited.example"},
        {},
        "throttle",
        "rate_limit = { events = 2, seconds = 1000000000 }",
        id="limited",
    ),
    pytest.param(
        {},
        {
            "user-agent": "Plausible Verification Agent - if abused, contact support@plausible.io",
        },
        "verification_agent",
        "user agent of Plausible's installation check",
        id="verification",
    ),
    pytest.param(
        {}, {"x-plausible-ip-type": "dc_ip"}, "dc_ip", "x-plausible-ip-type: dc_ip", id="datacentre"
    ),
    pytest.param(
        {},
        {"x-plausible-ip-type": "threat_ip"},
        "threat_ip",
        "x-plausible-ip-type: threat_ip",
        id="threat",
    ),
    pytest.param(
        {"domain": "shielded.example"},
        {},
        "site_hostname_allowlist",
        "none of shielded.example, *.shielded.example",
        id="hostname",
    ),
    pytest.param(
        {**SHIELDED, "url": "https://shielded.example/admin/x"},
        {},
        "site_page_blocklist",
        "/admin/**",
        id="page",
    ),
    pytest.param(
        SHIELDED,
        {"x-forwarded-for": "203.0.113.7"},
        "site_ip_blocklist",
        "entry 1 of ips, in 203.0.113.0/24",
        id="address",
    ),
    pytest.param(
        SHIELDED,
        {"x-forwarded-for": "2001:db8::77"},
        "site_ip_blocklist",
        "2001:db8::/32",
        id="network",
    ),
    pytest.param(SHIELDED, {}, "site_country_blocklist", "ZZ", id="country"),
    pytest.param(
        {}, {"user-agent": "Googlebot/2.1"}, "bot", "user agent of a crawler", id="crawler"
    ),
    pytest.param(
        {"domain": "people.example"},
        {"user-agent": "python-requests/2.31.0"},
        "bot",
        "user agent of an HTTP library, Python Requests",
        id="library",
    ),
    pytest.param(
        {"name": "engagement", "sd": 50},
        {"x-forwarded-for": "198.51.100.78"},
        "no_session_for_engagement",
        "no visit of this visitor is open",
        id="engagement",
    ),
]


@pytest.fixture(scope="module", params=["on", "off"], ids=["fast path", "hypercorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sluice]:
    directory = tmp_path_factory.mktemp("diagnosis")
    environment = {"SLUICE_ADMIN_TOKEN": ADMIN_TOKEN, "SLUICE_FAST_PATH": request.param}
    with Sluice(directory, "chdb://chdb", **environment) as server:
        for _ in range(2):
            server.send(domain="limited.example")
        yield server


def as_sent(fields: dict[str, Any]) -> dict[str, Any]:
    return {"name": "pageview", "url": "https://example.com/", "domain": "example.com", **fields}


@pytest.mark.parametrize(("fields", "headers", "reason", "rule"), CASES)
def test_each_reason_is_explained(
    server: Sluice,
    fields: dict[str, Any],
    headers: dict[str, str],
    reason: str,
    rule: str,
) -> None:
    sent = as_sent(fields)
    headers = PUBLIC | headers
    body = json.dumps(sent)

    # Before: repeated requests store and count nothing.
    for _ in range(3):
        told = server.client.post("/api/event/validate", content=body, headers=BEARER | headers)
        (trace,) = told.json()["domains"]
        assert (trace["reason"], trace["rule"]) == (reason, rule)
    name = "x-sluice-drop-reasons"
    foretold = told.json()["answer"]["headers"][name]

    # In the response, for requests with the token.
    answer = server.client.post("/api/event", content=body, headers=BEARER | headers)
    assert answer.headers[name] == foretold
    assert foretold.startswith(f"{sent['domain']}={reason};rule=")
    assert name not in server.client.post("/api/event", content=body, headers=headers).headers

    # Afterwards.
    query = {"site": sent["domain"], "limit": "2"}
    shown = server.client.get("/api/drops", params=query, headers=BEARER)
    for drop in shown.json()["drops"]:
        assert (drop["domain"], drop["reason"], drop["rule"]) == (sent["domain"], reason, rule)

    # Never the sender.
    agent = headers.get("user-agent", CHROME)
    for text in (told.text, str(answer.headers), shown.text):
        assert headers["x-forwarded-for"] not in text
        assert agent not in text or agent == "Googlebot/2.1"


def test_the_command_shows_them_all(server: Sluice) -> None:
    expected = [(case.values[2], case.values[3]) for case in CASES]
    for case in CASES:
        fields, headers, _, _ = case.values
        server.client.post("/api/event", json=as_sent(fields), headers=PUBLIC | headers)
    command = server.command("drops", "--json", "-n", str(len(CASES)))
    assert command.returncode == 0, command.stderr
    drops = [json.loads(line) for line in command.stdout.splitlines()]
    assert [(drop["reason"], drop["rule"]) for drop in drops] == expected
    lines = server.command("drops", "-n", str(len(CASES))).stdout.splitlines()
    for line, (reason, rule) in zip(lines, expected, strict=True):
        assert reason in line
        assert rule in line


def test_an_accepted_event_is_explained(server: Sluice) -> None:
    body = json.dumps(as_sent({"url": "https://example.com/explained"}))
    command = subprocess.run(
        [sys.executable, "-m", "ingest", "validate", "-H", "X-Forwarded-For: 198.51.100.80"],
        env=server.environment,
        cwd=server.directory,
        input=body,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert command.returncode == 0, command.stderr
    assert (
        "client: reserved IPv4 address in 198.51.100.0/24, from x-forwarded-for" in command.stdout
    )
    assert "example.com: accepted" in command.stdout
    assert "pathname=/explained" in command.stdout
    assert "198.51.100.80" not in command.stdout
    assert server.query("SELECT count() AS n FROM events_v2 WHERE pathname = '/explained'") == [
        {"n": 0}
    ]


def follow(server: Sluice, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "ingest", *arguments],
        env=server.environment,
        cwd=server.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def followers(server: Sluice) -> int:
    figures = server.client.get("/metrics", headers=BEARER).text
    (line,) = [line for line in figures.splitlines() if line.startswith("sluice_followers ")]
    return int(float(line.rpartition(" ")[2]))


def test_following_until_control_c_and_until_the_server_stops(tmp_path: Path) -> None:
    with Sluice(tmp_path, "chdb://chdb", SLUICE_ADMIN_TOKEN=ADMIN_TOKEN) as server:
        interrupted = follow(server, "drops", "--follow", "--json")
        kept = follow(server, "tail", "--json", "--site", "example.com")
        wait_until(lambda: followers(server) == 2, server.log_text)
        server.send(url="https://example.com/followed", domain="example.com,nowhere.example")
        assert interrupted.stdout is not None
        assert kept.stdout is not None
        assert json.loads(interrupted.stdout.readline())["domain"] == "nowhere.example"
        assert json.loads(kept.stdout.readline())["pathname"] == "/followed"
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(WAIT_SECONDS) == 0
        assert interrupted.communicate()[1] == ""
        assert server.stop() == 0
        assert kept.wait(WAIT_SECONDS) == 0
        assert kept.communicate() == ("", "the server has stopped\n")
        log = server.log_text()
        assert "198.51" not in log
        command = server.command("tail")
        assert (command.returncode, command.stdout) == (1, "")
        assert command.stderr.startswith("Error: no server runs")


def test_a_follower_does_not_delay_the_end(tmp_path: Path) -> None:
    with (
        Sluice(tmp_path, "chdb://chdb", SLUICE_SHUTDOWN_SECONDS="10000") as server,
        server.client.stream("GET", "/api/live") as listening,
    ):
        lines = listening.iter_lines()
        assert next(lines) == "retry: 2000"
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        # If the server waited for the request, it would take two fifths of these seconds.
        assert server.process.wait(WAIT_SECONDS) == 0
        assert {*lines} <= {"", ": still here"}

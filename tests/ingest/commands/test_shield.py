import json
from pathlib import Path

import pytest

from ingest.sites.shields import Shields
from ingest.sites.site_file import read_sites
from tests.ingest.commands.command_line import run

FILE = """\
[[site]]
id = 1
domain = "one.example"

[site.shields]
ips = [
  "192.0.2.1",  # the office
]
"""


@pytest.fixture
def file(sites_file: Path) -> Path:
    sites_file.write_text(FILE)
    return sites_file


def shields(file: Path) -> Shields:
    (site,) = read_sites(file)
    return site.shields


def test_add_and_remove(file: Path) -> None:
    result = run("shield", "add", "one.example", "ip", "192.0.2.1/32", "2001:db8::/32")
    assert result.exit_code == 0
    assert result.output.startswith("ip rules of one.example: 192.0.2.1, 2001:db8::/32\n")
    assert run("shield", "add", "1", "country", "de", "ZZ", "DE").exit_code == 0
    assert run("shield", "add", "1", "page", "/a", "/b/**").exit_code == 0
    hosts = run("shield", "add", "1", "hostname", "*.one.example")
    assert "Events from all other hostnames are dropped." in hosts.output
    assert shields(file) == Shields(
        ("192.0.2.1", "2001:db8::/32"), ("DE", "ZZ"), ("/a", "/b/**"), ("*.one.example",)
    )
    assert '  "192.0.2.1",  # the office\n' in file.read_text()
    assert run("shield", "remove", "1", "ip", "2001:db8::/32").exit_code == 0
    assert run("shield", "remove", "1", "page", "/a", "/b/**").exit_code == 0
    gone = run("shield", "remove", "1", "hostname", "*.one.example")
    assert "Events from all hostnames are taken." in gone.output
    assert shields(file) == Shields(("192.0.2.1",), ("DE", "ZZ"))


def test_list(file: Path) -> None:
    run("shield", "add", "1", "country", "DE")
    assert run("shield", "list", "one.example").output == "ip        192.0.2.1\ncountry   DE\n"
    lines = run("shield", "list", "1", "--json").output.splitlines()
    assert json.loads(lines[0]) == {"kind": "ip", "rule": "192.0.2.1"}


def test_a_rule_that_is_there(file: Path) -> None:
    result = run("shield", "add", "1", "ip", "192.0.2.1")
    assert (result.exit_code, file.read_text()) == (0, FILE)
    assert result.output == "one.example has these ip rules already; nothing was changed.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add", "x", "ip", "192.0.2.1"], 1, "no site has the domain or the id 'x'"),
        (["add", "1", "ip", "x"], 1, "ip: expected an address such as 203.0.113.7"),
        (["add", "1", "ip", "192.0.2.1/24"], 1, "expected the network itself, 192.0.2.0/24"),
        (["add", "1", "country", "xx1"], 1, "expected an ISO 3166-1 alpha-2 code"),
        (["add", "1", "page", "admin"], 1, "expected a pattern that starts with /"),
        (["add", "1", "page", "/" + "x" * 250], 1, "at most 250 characters"),
        (["add", "1", "hostname", "www.x"], 1, 'expected the hostname without "www.": "x"'),
        (["add", "1", "ip", *(f"10.0.0.{n}" for n in range(30))], 1, "at most 30 entries, got 31"),
        (["add", "1", "hostname", *(f"h{n}" for n in range(11))], 1, "at most 10 entries, got 11"),
        (["add", "1", "colour", "red"], 2, "'colour' is not one of"),
        (["add", "1", "ip"], 2, "Missing argument"),
        (["remove", "1", "ip", "192.0.2.9"], 1, "no such rule: 192.0.2.9; there are: 192.0.2.1"),
        (["remove", "1", "page", "/"], 1, "no such rule: /; there are: none"),
        (["list", "7"], 1, "no site has the domain or the id '7'"),
    ],
)
def test_refusals(file: Path, arguments: list[str], code: int, message: str) -> None:
    result = run("shield", *arguments)
    assert result.exit_code == code
    assert message in result.output
    assert file.read_text() == FILE

import errno
import json
from pathlib import Path

import pytest

from ingest.commands.sites import snippet
from ingest.sites.site import RateLimit, Site
from ingest.sites.site_file import read_sites
from tests.ingest.commands.command_line import run

FILE = """\
# Ours.
[[site]]
id = 1
domain = "one.example"   # the first
server_key = "a-secret-of-16-characters"

[site.shields]
pages = ["/admin/**"]

[site.script]
id = "x1"
outbound_links = true

[[site.revenue_goals]]
event = "Purchase"
currency = "EUR"
"""


@pytest.fixture
def file(sites_file: Path) -> Path:
    sites_file.write_text(FILE)
    return sites_file


def test_add(file: Path) -> None:
    result = run("sites", "add", "two.example")
    assert result.exit_code == 0
    assert result.output == (
        "two.example is site 2 in sites.toml.\n"
        "No server was found running with the state directory var; one that uses this file takes "
        "it over in two seconds.\n"
        "\n"
        "For the <head> of its pages:\n"
        "\n"
        '  <script defer data-domain="two.example" src="https://your-host/js/script.js"></script>\n'
    )
    assert file.read_text() == FILE + '\n[[site]]\nid = 2\ndomain = "two.example"\n'


def test_add_with_everything(file: Path) -> None:
    result = run(
        *("sites", "add", "two.example", "--id", "77", "--previous-domain", "zwei.example"),
        *("--rate-limit", "100/60", "--until", "2027-01-01", "--drop-server-clients"),
        *("--server-key", "--host", "https://stats.example/"),
    )
    assert result.exit_code == 0
    site = read_sites(file).by_id(77)
    assert site is not None
    assert site.rate_limit == RateLimit(100, 60)
    assert str(site.accept_traffic_until) == "2027-01-01"
    assert site.previous_domain == "zwei.example"
    assert site.drop_server_clients
    assert site.server_key is not None
    assert f"Authorization: Bearer {site.server_key}" in result.output
    assert 'src="https://stats.example/js/script.js"' in result.output


@pytest.mark.parametrize(
    ("readable", "warned"), [(0o644, True), (0o640, False)], ids=["by all", "by the group"]
)
def test_a_secret_in_a_file_for_everybody(file: Path, readable: int, warned: bool) -> None:
    file.chmod(readable)
    result = run("sites", "add", "two.example", "--server-key")
    assert ("consider chmod o-r" in result.output) is warned


def test_add_makes_the_file(file: Path) -> None:
    file.unlink()
    assert run("sites", "add", "one.example").exit_code == 0
    assert read_sites(file).sites == (Site(1, "one.example"),)


def test_add_in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_SITES", "config/sites.toml")
    result = run("sites", "add", "one.example")
    assert result.output.startswith("one.example is site 1 in config/sites.toml, a new file.\n")
    assert read_sites(Path("config/sites.toml")).sites == (Site(1, "one.example"),)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["one.example"], 1, "one.example belongs to the site 1 one.example"),
        (["two.example", "--id", "1"], 1, "the id 1 belongs to one.example"),
        (
            ["two.example", "--previous-domain", "one.example"],
            1,
            "one.example belongs to the site 1 one.example",
        ),
        (["www.two.example"], 1, 'expected the domain without "www.": "two.example"'),
        (["https://two.example"], 1, "not an address with a scheme"),
        (["two.example", "--id", "0"], 2, "0 is not in the range"),
        (["two.example", "--rate-limit", "many"], 2, "expected events/seconds"),
        (["two.example", "--rate-limit", "5/0"], 1, "1 or more"),
        (["two.example", "--until", "soon"], 2, "expected a date such as 2027-01-01"),
        (["two.example", "--host", "stats.example.com"], 2, "expected a URL such as"),
        ([], 2, "Missing argument"),
    ],
)
def test_add_refuses(file: Path, arguments: list[str], code: int, message: str) -> None:
    result = run("sites", "add", *arguments)
    assert result.exit_code == code
    assert message in " ".join(result.output.split())
    assert file.read_text() == FILE


def test_a_file_with_mistakes_is_left_alone(file: Path) -> None:
    file.write_text("[[site]]\nid = 0\n")
    for command in (["add", "two.example"], ["list"], ["show", "1"], ["remove", "1", "--yes"]):
        result = run("sites", *command)
        assert result.exit_code == 1
        assert "sites.toml:2: site.id: expected a whole number" in result.output
    assert file.read_text() == "[[site]]\nid = 0\n"


def test_a_file_that_cannot_be_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_SITES", "sites.toml/sites.toml")
    result = run("sites", "add", "two.example")
    assert result.exit_code == 1
    assert result.output == "Error: sites.toml/sites.toml cannot be edited: File exists\n"


def test_a_file_that_is_mounted_by_itself(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", replace)
    result = run("sites", "add", "two.example")
    assert result.exit_code == 1
    assert "sites.toml cannot be edited: it is mounted by itself; mount its" in result.output
    assert file.read_text() == FILE


def test_list(file: Path) -> None:
    run("sites", "add", "two.example", "--rate-limit", "0/60")
    assert run("sites", "list").output.splitlines() == [
        "ID  DOMAIN       LIMIT    UNTIL  SHIELDS  GOALS",
        "1   one.example  -        -      1        1",
        "2   two.example  blocked  -      -        -",
    ]
    lines = [json.loads(line) for line in run("sites", "list", "--json").output.splitlines()]
    assert [(line["id"], line["rate_limit"]) for line in lines] == [
        (1, None),
        (2, {"events": 0, "seconds": 60}),
    ]


@pytest.mark.parametrize("name", ["one.example", "1"])
def test_show(file: Path, name: str) -> None:
    result = run("sites", "show", name)
    assert result.exit_code == 0
    assert "shield: page            /admin/**\n" in result.output
    assert "revenue goal: Purchase  EUR\n" in result.output
    shown = json.loads(run("sites", "show", name, "--json").output)
    assert shown["shields"]["page"] == ["/admin/**"]
    assert shown["revenue_goals"] == {"Purchase": "EUR"}
    assert shown["has_server_key"] is True
    assert "script                  pa-x1.js (outbound links)\n" in result.output
    assert (shown["script"]["id"], shown["script"]["outbound_links"]) == ("x1", True)
    assert "a-secret" not in result.output + json.dumps(shown)


def test_show_of_an_unknown_site(file: Path) -> None:
    result = run("sites", "show", "nobody.example")
    assert result.exit_code == 1
    assert "no site has the domain or the id 'nobody.example'" in result.output


def test_remove_asks(file: Path) -> None:
    result = run("sites", "remove", "one.example")
    assert result.exit_code == 1
    assert "what is stored stays" in result.output
    assert file.read_text() == FILE


def test_remove(file: Path) -> None:
    result = run("sites", "remove", "1", "--yes")
    assert result.exit_code == 0
    assert "Its stored rows stay, under site_id 1" in result.output
    assert len(read_sites(file)) == 0
    assert "one.example is site 2 in" in run("sites", "add", "one.example").output


def test_snippet_is_html() -> None:
    assert 'data-domain="a&quot;b&lt;&amp;"' in snippet('a"b<&', "https://x")

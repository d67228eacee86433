import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli import commands
from ingest.commands import init
from ingest.sites.site import Site
from ingest.sites.site_file import read_sites
from tests.ingest.commands.command_line import run

CONFIG = Path(__file__).parents[3] / "config"
TERMINAL = "name the site's domain, as in: sluice init --domain your.site"


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(init, "embedded_store_installed", lambda: True)


def test_an_empty_directory(tmp_path: Path) -> None:
    result = run("init", "--domain", "my.site")
    assert result.exit_code == 0
    assert read_sites(Path("config/sites.toml")).sites == (Site(1, "my.site"),)
    assert result.output.splitlines() == [
        "config/sites.toml is new: my.site is site 1.",
        "",
        "While `sluice serve` runs:",
        "  its page            http://localhost:8000/",
        "  the statistics      http://localhost:8000/stats/my.site",
        "  an event by hand    curl http://localhost:8000/api/event "
        "-H 'Content-Type: application/json' "
        '--data \'{"n": "pageview", "u": "https://my.site/", "d": "my.site"}\'',
        "  for the <head> of the pages of my.site",
        '    <script defer data-domain="my.site" src="http://localhost:8000/js/script.js"></script>',
        "",
        "Next: start `sluice serve`, open its page, and send the event: it appears there.",
        "`sluice sites add your.site` adds a site, and `sluice check` tests the configuration.",
    ]
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_the_file_has_all_that_is_optional_as_comments() -> None:
    run("init", "--domain", "example.com")
    assert Path("config/sites.toml").read_text() == (CONFIG / "sites.toml").read_text()


def test_many_sites_and_an_address() -> None:
    result = run(
        *("init", "--domain", "a.example", "--domain", "b.example"),
        *("--host", "https://stats.example/"),
    )
    assert read_sites(Path("config/sites.toml")).sites == (
        Site(1, "a.example"),
        Site(2, "b.example"),
    )
    assert "config/sites.toml is new: a.example is site 1, b.example is site 2." in result.output
    assert "its page            https://stats.example/\n" in result.output
    assert "for the <head> of the pages of a.example" in result.output
    assert 'data-domain="b.example" src="https://stats.example/js/script.js"' in result.output


def test_another_directory() -> None:
    result = run("init", "a/b", "--domain", "my.site")
    assert read_sites(Path("a/b/config/sites.toml")).sites == (Site(1, "my.site"),)
    assert Path("a/b/var").is_dir()
    assert "Next: change to a/b, start `sluice serve`," in result.output


def test_what_the_settings_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLUICE_SITES", str(tmp_path / "etc" / "ours.toml"))
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PORT", "8080")
    result = run("init", "--domain", "my.site")
    assert read_sites(tmp_path / "etc" / "ours.toml").sites == (Site(1, "my.site"),)
    assert (tmp_path / "state").is_dir()
    assert not Path("config").exists()
    assert "http://localhost:8080/" in result.output


@pytest.mark.parametrize("domains", [(), ("other.site",), ("my.site",)])
def test_a_second_time_nothing_is_asked_or_changed(domains: tuple[str, ...]) -> None:
    run("init", "--domain", "my.site")
    before = Path("config/sites.toml").stat()
    result = run("init", *(part for domain in domains for part in ("--domain", domain)))
    assert result.exit_code == 0
    assert Path("config/sites.toml").stat() == before
    assert result.output.startswith("config/sites.toml is kept as it is: my.site is site 1.\n")
    assert ("`sluice sites add other.site` adds it." in result.output) is ("other.site" in domains)


def test_a_file_with_mistakes_is_kept() -> None:
    Path("config").mkdir()
    Path("config/sites.toml").write_text("[[site]\n")
    result = run("init", "--domain", "my.site")
    assert result.exit_code == 1
    assert "config/sites.toml" in result.output
    assert Path("config/sites.toml").read_text() == "[[site]\n"


def test_a_file_of_many_sites() -> None:
    run("init", *(part for number in range(30) for part in ("--domain", f"{number}.example")))
    result = run("init")
    assert "is kept as it is: 30 sites, which `sluice sites list` shows." in result.output
    assert result.output.count("<script") == 1


def test_a_file_without_sites() -> None:
    Path("config").mkdir()
    Path("config/sites.toml").write_text("# None yet.\n")
    result = run("init", "--domain", "my.site")
    assert result.exit_code == 0
    assert "config/sites.toml is kept as it is: it has no sites." in result.output
    assert "`sluice sites add my.site` adds it." in result.output
    assert "<script" not in result.output


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        (["https://my.site"], "not an address with a scheme"),
        (["www.my.site"], 'the domain without "www.": "my.site"'),
        (["my.site", "my.site"], "my.site is named twice"),
    ],
)
def test_wrong_domains(domains: list[str], message: str) -> None:
    result = run("init", *(part for domain in domains for part in ("--domain", domain)))
    assert result.exit_code == 2
    assert message in result.output
    assert not Path("config").exists()
    assert not Path("var").exists()


def test_a_host_without_a_scheme_would_be_part_of_a_path() -> None:
    result = run("init", "--domain", "my.site", "--host", "stats.my.site")
    assert result.exit_code == 2
    assert "expected a URL such as https://stats.your.site" in result.output
    assert not Path("config").exists()


def test_the_domain_is_asked_for_until_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "on_terminal", lambda: True)
    result = CliRunner().invoke(commands, ["init"], input="https://my.site\nmy.site\n")
    assert result.exit_code == 0
    assert "not an address with a scheme" in result.output
    assert result.output.count("Domain of your site") == 2
    assert read_sites(Path("config/sites.toml")).sites == (Site(1, "my.site"),)


def test_without_a_terminal_the_domain_is_an_argument() -> None:
    result = run("init")
    assert result.exit_code == 2
    assert TERMINAL in result.output
    assert not Path("config").exists()


def test_a_store_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "embedded_store_installed", lambda: False)
    result = run("init", "--domain", "my.site")
    assert result.exit_code == 0
    assert (
        "First a store: pip install 'sluice-collector[embedded]', or set "
        "CLICKHOUSE_URL=clickhouse://user:password@host:9000/database."
    ) in result.output
    monkeypatch.setenv("CLICKHOUSE_URL", "clickhouse://host/database")
    assert "First a store" not in run("init").output


def test_sites_of_plausible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_SITES", "postgres://u:p@host/plausible")
    result = run("init", "--domain", "my.site")
    assert result.exit_code == 1
    assert "the sites are in Plausible's PostgreSQL" in result.output


def test_json() -> None:
    for made in (True, False):
        result = run("init", "--domain", "my.site", "--json")
        assert json.loads(result.output) == {
            "file": "config/sites.toml",
            "made": made,
            "state_directory": "var",
            "page": "http://localhost:8000/",
            "sites": [
                {
                    "id": 1,
                    "domain": "my.site",
                    "snippet": '<script defer data-domain="my.site" '
                    'src="http://localhost:8000/js/script.js"></script>',
                }
            ],
        }


def test_the_event_is_one_word_for_a_shell() -> None:
    run("init", "--domain", "my.site/it's")
    (line,) = [line for line in run("init").output.splitlines() if "curl" in line]
    *_, data = shlex.split(line)
    assert json.loads(data)["d"] == "my.site/it's"


@pytest.mark.parametrize(
    ("file", "message"),
    [("config", "config/sites.toml cannot be edited"), ("var", "var cannot be made: File exists")],
)
def test_a_directory_that_cannot_be_made(file: str, message: str) -> None:
    Path(file).write_text("")
    result = run("init", "--domain", "my.site")
    assert result.exit_code == 1
    assert message in result.output

import json
from pathlib import Path

import pytest

from ingest.client.query import Answer, QueryError
from ingest.settings import Settings
from ingest.stats.queries import FIGURES
from tests.ingest.commands.command_line import run

SITES = """\
[[site]]
id = 3
domain = "example.com"
previous_domain = "old.example"
"""


class Store:
    """Answers as the store would of a site with one visit, and fails as it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuse = ""
        self.away = False

    def ask_all(self, settings: Settings, statements: list[str]) -> list[Answer]:
        if self.away:
            raise QueryError("the store is away")
        self.asked = statements
        return [self._answer(sql) for sql in statements]

    def _answer(self, sql: str) -> Answer:
        if self.refuse and self.refuse in sql:
            return QueryError("too much memory")
        if "AS views_per_visit" in sql:
            return ['{"visits": 1, "views_per_visit": 2, "bounce_rate": 0, "visit_duration": 61}']
        if "AS bucket" in sql:
            return []
        if "GROUP BY" not in sql:
            return ['{"visitors": 1, "pageviews": 2}']
        return ['{"pathname": "/", "visitors": 1, "pageviews": 2}'] if "pathname" in sql else []


@pytest.fixture
def store(sites_file: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    sites_file.write_text(SITES)
    store = Store()
    monkeypatch.setattr("ingest.commands.stats.ask_all", store.ask_all)
    return store


@pytest.mark.parametrize("site", [["example.com"], ["old.example"], ["3"], []])
def test_a_report(store: Store, site: list[str]) -> None:
    result = run("stats", *site, "--period", "7d")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("example.com\n")
    assert "  visit duration     1 min 1 s" in result.output
    assert "top pages" in result.output
    assert all("WITH 3 AS site" in sql for sql in store.asked)
    assert len(store.asked) == len(FIGURES) + 2


def test_one_of_several_sites_has_to_be_named(store: Store, sites_file: Path) -> None:
    sites_file.write_text(f'{SITES}[[site]]\nid = 4\ndomain = "other.example"\n')
    result = run("stats")
    assert result.exit_code == 2
    assert "name one of the sites" in result.output


def test_json(store: Store) -> None:
    result = run("stats", "example.com", "--from", "2026-01-01", "--to", "2026-01-02", "--json")
    report = json.loads(result.output)
    assert report["site"] == "example.com"
    assert report["id"] == 3
    assert report["period"]["name"] == "custom"
    assert report["figures"].keys() == FIGURES.keys()
    assert report["figures"]["series"]["rows"] == [
        {"name": "2026-01-01", "visitors": 0, "pageviews": 0},
        {"name": "2026-01-02", "visitors": 0, "pageviews": 0},
    ]


def test_one_figure_fails(store: Store) -> None:
    store.refuse = "AS views_per_visit"
    result = run("stats", "example.com")
    assert result.exit_code == 1
    assert "  bounce rate     too much memory\n" in result.output
    assert "  visitors                   1" in result.output


def test_days_are_those_of_the_site(store: Store, sites_file: Path) -> None:
    sites_file.write_text(SITES + 'timezone = "Europe/Berlin"\n')
    result = run("stats", "example.com", "--from", "2026-01-02", "--to", "2026-01-02")
    assert "2026-01-02 (Europe/Berlin), compared with 2026-01-01\n" in result.output
    # Midnight there is 23:00 UTC.
    assert "toDateTime(1767308400) AS since" in store.asked[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.example"], "no site has the domain or the id 'none.example'"),
        (["example.com", "--period", "week"], "'week' is not one of"),
        (["example.com", "--from", "yesterday"], "--from: expected a day such as"),
        (["example.com", "--to", "2026-01-01"], "--from: expected a day such as"),
        (["example.com", "--period", "7d", "--from", "2026-01-01"], "period custom only"),
        (["example.com", "--limit", "0"], "--limit"),
    ],
)
def test_mistakes(store: Store, arguments: list[str], words: str) -> None:
    result = run("stats", *arguments)
    assert result.exit_code != 0
    assert words in result.output
    assert store.asked == []


def test_the_store_is_away(store: Store) -> None:
    store.away = True
    result = run("stats", "example.com")
    assert (result.exit_code, result.output) == (1, "Error: the store is away\n")


def test_sites_that_need_not_be_known(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_UNKNOWN_SITES", "accept")
    assert run("stats", "none.example").output.startswith("none.example\n")
    for known in ("old.example", "3"):
        assert run("stats", known).output.startswith("example.com\n")
    assert run("stats", "no domain").exit_code == 1

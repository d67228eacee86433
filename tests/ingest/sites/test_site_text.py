import difflib
from dataclasses import replace
from datetime import date

import pytest

from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteScript
from ingest.sites.site_file import parse_sites
from ingest.sites.site_text import changed_site_text, new_site_text
from tests.ingest.sites.site_texts import TEXTS


def site(text: str) -> Site:
    (found,) = parse_sites(text, "sites.toml")
    return found


def changed(text: str, **changes: object) -> tuple[list[str], list[str]]:
    """The lines that a change takes away, and those that it brings."""
    old = site(text)
    new = replace(old, **changes)  # type: ignore[arg-type]
    edited = changed_site_text(text, old, new)
    assert site(edited) == new
    return difference(text, edited)


def difference(before: str, after: str) -> tuple[list[str], list[str]]:
    old, new = before.splitlines(), after.splitlines()
    kept = common(old, new)
    return without(old, kept), without(new, kept)


def common(old: list[str], new: list[str]) -> list[str]:
    """The longest run of lines that both have in the same order."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [line for a, _, size in matcher.get_matching_blocks() for line in old[a : a + size]]


def without(lines: list[str], kept: list[str]) -> list[str]:
    rest = iter(kept)
    expected = next(rest, None)
    found = []
    for line in lines:
        if line == expected:
            expected = next(rest, None)
        else:
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("site_id", "changes", "gone", "come"),
    [
        pytest.param(1, {}, [], [], id="nothing"),
        pytest.param(
            1,
            {"domain": "uno.example"},
            ['domain = "one.example"'],
            ['domain = "uno.example"'],
            id="value",
        ),
        pytest.param(
            2,
            {"previous_domain": "zwei.example"},
            [],
            ['previous_domain = "zwei.example"'],
            id="new key",
        ),
        pytest.param(
            1,
            {"rate_limit": RateLimit(7, 60)},
            ["rate_limit.events = 5"],
            ["rate_limit.events = 7"],
            id="dotted keys",
        ),
        pytest.param(
            1,
            {"rate_limit": None},
            ["rate_limit.events = 5", "rate_limit.seconds = 60 # a minute"],
            [],
            id="dotted keys dropped",
        ),
        pytest.param(
            9,
            {"rate_limit": RateLimit(0, 1)},
            [],
            ["rate_limit = { events = 0, seconds = 1 }"],
            id="new inline table",
        ),
        pytest.param(
            9,
            {
                "accept_traffic_until": date(2026, 11, 24),
                "drop_server_clients": True,
                "server_key": "k" * 16,
                "timezone": "Europe/Berlin",
            },
            [],
            [
                "accept_traffic_until = 2026-11-24",
                "drop_server_clients = true",
                f'server_key = "{"k" * 16}"',
                'timezone = "Europe/Berlin"',
            ],
            id="the other keys",
        ),
        pytest.param(
            1,
            {"shields": Shields(ips=("192.0.2.1", "192.0.2.2", "2001:db8::/32"))},
            [],
            ['  "2001:db8::/32",'],
            id="entry of an array of many lines",
        ),
        pytest.param(
            1,
            {"shields": Shields(ips=("192.0.2.1",))},
            ['  "192.0.2.2", # and its spare line'],
            [],
            id="entry dropped",
        ),
        pytest.param(
            1,
            {"shields": Shields(("192.0.2.1", "192.0.2.2"), pages=("/x",))},
            [],
            ['pages = ["/x"]'],
            id="new list in its table",
        ),
        pytest.param(
            2,
            {"shields": Shields(pages=("/b", "/c"), countries=("DE",))},
            [],
            ['shields.countries = ["DE"]'],
            id="new list beside dotted keys",
        ),
        pytest.param(
            9,
            {"shields": Shields(countries=("AQ", "DE"), pages=("/x",))},
            ['shields = { countries = ["AQ"] } # cold'],
            ['shields = { countries = ["AQ", "DE"], pages = ["/x"] } # cold'],
            id="lists in an inline table",
        ),
        pytest.param(
            2,
            {"revenue_goals": {"Gift": "USD"}},
            [
                'event = "Purchase" # in the shop',
                'currency = "EUR"',
                "[[site.revenue_goals]]",
                'currency = "EUR"',
            ],
            ['currency = "USD"'],
            id="goals",
        ),
        pytest.param(
            9,
            {"revenue_goals": {"Donation": "EUR"}},
            [],
            ["", "[[site.revenue_goals]]", 'event = "Donation"', 'currency = "EUR"'],
            id="first goal",
        ),
        pytest.param(
            2,
            {"script": SiteScript("two", outbound_links=True, hash_based_routing=True)},
            [],
            [
                *("", "[site.script]", 'id = "two"'),
                *("outbound_links = true", "hash_based_routing = true"),
            ],
            id="script",
        ),
        pytest.param(
            9,
            {"script": SiteScript("neun", file_downloads=True)},
            ['script = { id = "nine", outbound_links = true }'],
            ['script = { id = "neun", outbound_links = false, file_downloads = true }'],
            id="script changed",
        ),
        pytest.param(
            9,
            {"script": None},
            ['script = { id = "nine", outbound_links = true }'],
            [],
            id="script dropped",
        ),
    ],
)
def test_a_change_touches_its_own_lines(
    site_id: int, changes: dict[str, object], gone: list[str], come: list[str]
) -> None:
    assert changed(TEXTS[site_id], **changes) == (gone, come)


@pytest.mark.parametrize(
    ("outdated", "drops", "line"),
    [("false", False, ""), ("true", True, "drop_server_clients = true\n")],
)
def test_a_change_replaces_the_outdated_key(outdated: str, drops: bool, line: str) -> None:
    text = '[[site]]\nid = 1\ndomain = "a"\n'
    written = f"{text}allow_server_clients = {outdated}\n"
    old = site(written)
    edited = changed_site_text(written, old, replace(old, drop_server_clients=drops))
    assert edited == text + line


def test_a_new_site_has_its_tables_and_the_line_ends_of_the_file() -> None:
    ten = Site(10, "ten.example", rate_limit=RateLimit(5, 60), shields=Shields(countries=("AQ",)))
    assert new_site_text(ten, "\r\n").split("\r\n") == [
        "[[site]]",
        "id = 10",
        'domain = "ten.example"',
        "rate_limit = { events = 5, seconds = 60 }",
        "",
        "[site.shields]",
        'countries = ["AQ"]',
        "",
    ]

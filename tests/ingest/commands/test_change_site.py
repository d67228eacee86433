from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.sites.site import RateLimit, Site
from ingest.sites.site_file import read_sites
from tests.ingest.commands.command_line import run

FILE = """\
[[site]]
id = 1
domain = "one.example"   # the first
accept_traffic_until = 2027-01-01

[[site.revenue_goals]]
event = "Purchase"
currency = "EUR"
"""


@pytest.fixture
def file(sites_file: Path) -> Path:
    sites_file.write_text(FILE)
    return sites_file


def the_site(file: Path) -> Site:
    (site,) = read_sites(file)
    return site


def test_a_new_domain(file: Path) -> None:
    result = run("sites", "change", "one.example", "--domain", "uno.example")
    assert result.exit_code == 0
    assert result.output.splitlines()[:-1] == [
        "~ site 1 uno.example",
        "    domain: one.example -> uno.example",
        "    previous domain: none -> one.example",
    ]
    assert the_site(file).previous_domain == "one.example"
    assert 'domain = "uno.example"   # the first\n' in file.read_text()
    assert run("sites", "change", "one.example", "--no-previous-domain").exit_code == 0
    assert the_site(file).previous_domain is None


def test_limits_and_goals(file: Path) -> None:
    options = ("--rate-limit", "5/60", "--no-until", "--drop-server-clients")
    goals = ("--goal", "a=b=usd", "--no-goal", "Purchase")
    result = run("sites", "change", "1", *options, *goals, "--server-key")
    assert result.exit_code == 0, result.output
    site = the_site(file)
    assert (site.rate_limit, site.accept_traffic_until) == (RateLimit(5, 60), None)
    assert site.drop_server_clients
    assert site.revenue_goals == {"a=b": "USD"}
    assert site.server_key is not None
    assert f"Authorization: Bearer {site.server_key}" in result.output
    assert "    server key: a new one\n" in result.output
    back = ("--no-rate-limit", "--until", "2028-02-29", "--no-drop-server-clients")
    assert run("sites", "change", "1", *back, "--no-server-key").exit_code == 0
    site = the_site(file)
    assert (site.rate_limit, site.accept_traffic_until) == (None, date(2028, 2, 29))
    assert (site.drop_server_clients, site.server_key) == (False, None)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["1", "--until", "2027-01-01"], 0, "It is so already; nothing was changed."),
        (["1"], 0, "It is so already; nothing was changed."),
        (["2", "--no-until"], 1, "no site has the domain or the id '2'"),
        (["1", "--domain", "www.x"], 1, 'expected the domain without "www.": "x"'),
        (["1", "--goal", "x=ABC"], 1, "expected an ISO 4217 currency code"),
        (["1", "--goal", "x"], 2, "expected event=currency such as Purchase=EUR"),
        (["1", "--no-goal", "x"], 1, "no revenue goal of one.example has the event 'x'"),
    ],
)
def test_what_changes_nothing(file: Path, arguments: list[str], code: int, message: str) -> None:
    result = run("sites", "change", *arguments)
    assert result.exit_code == code
    assert message in result.output
    assert file.read_text() == FILE


def test_rates(file: Path) -> None:
    assert run("sites", "rates").output == "USD  1\n"
    result = run("sites", "rates", "EUR=0.92", "brl=5.40")
    assert result.exit_code == 0
    assert result.output.endswith("BRL  5.40\nEUR  0.92\nUSD  1\n")
    assert file.read_text() == FILE + "\n[exchange_rates]\nEUR = 0.92\nBRL = 5.40\n"
    assert read_sites(file).exchange_rates["EUR"] == Decimal("0.92")


@pytest.mark.parametrize(
    ("rate", "code", "message"),
    [
        ("EUR", 2, "expected currency=rate such as EUR=0.92"),
        ("EUR=inf", 2, "expected currency=rate such as EUR=0.92"),
        ("EUR=0", 1, "units per US dollar, a number greater than 0"),
        ("EUR=-1", 1, "units per US dollar, a number greater than 0"),
        ("USD=2", 1, "expected 1 US dollar per US dollar"),
        ("ABC=2", 1, "expected an ISO 4217 currency code"),
    ],
)
def test_rates_that_are_none(file: Path, rate: str, code: int, message: str) -> None:
    result = run("sites", "rates", rate)
    assert result.exit_code == code
    assert message in result.output
    assert file.read_text() == FILE

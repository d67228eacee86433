from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteRegistry, SiteScript
from ingest.sites.site_file import Mistake, SitesFileError, outdated_keys, parse_sites, read_sites

FULL = """
[[site]]
id = 1
domain = "example.com"
previous_domain = "old.example.com"
rate_limit = { events = 1000000, seconds = 3600 }
accept_traffic_until = 2027-01-01
drop_server_clients = true

[site.shields]
ips = ["203.0.113.7", "2001:db8::/32"]
countries = ["XX", "ZZ"]
pages = ["/admin/**"]
hostnames = ["example.com", "*.example.com"]

[site.script]
id = "XyZ_1-2"
outbound_links = true
file_downloads = false

[[site.revenue_goals]]
event = "Purchase"
currency = "EUR"

[[site.revenue_goals]]
event = "Donation"
currency = "BRL"

[[site]]
id = 18446744073709551615
domain = "other.example"

[exchange_rates]
EUR = 0.92
BRL = 5
"""

SITE = '[[site]]\nid = 1\ndomain = "example.com"\n'


def parse(text: str) -> SiteRegistry:
    return parse_sites(text, "sites.toml")


def mistakes(text: str) -> list[str]:
    with pytest.raises(SitesFileError) as raised:
        parse(text)
    return str(raised.value).splitlines()


def test_everything() -> None:
    registry = parse(FULL)
    assert registry.sites == (
        Site(
            1,
            "example.com",
            "old.example.com",
            RateLimit(1_000_000, 3600),
            date(2027, 1, 1),
            True,
            Shields(
                ("203.0.113.7", "2001:db8::/32"),
                ("XX", "ZZ"),
                ("/admin/**",),
                ("example.com", "*.example.com"),
            ),
            {"Purchase": "EUR", "Donation": "BRL"},
            script=SiteScript("XyZ_1-2", outbound_links=True),
        ),
        Site(2**64 - 1, "other.example"),
    )
    assert registry.exchange_rates == {"EUR": Decimal("0.92"), "BRL": 5, "USD": 1}


@pytest.mark.parametrize(
    "text", ["", "\n# nothing\n", "\ufeff", "site = []", "[exchange_rates]"], ids=repr
)
def test_an_empty_file_has_no_sites(text: str) -> None:
    assert len(parse(text)) == 0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + SITE, id="byte-order-mark"),
        pytest.param(SITE.replace("\n", "\r\n"), id="crlf"),
        pytest.param('site = [{ id = 1, domain = "example.com" }]', id="inline"),
        pytest.param(SITE + "[site.shields]", id="empty-shields"),
        pytest.param(SITE + "shields.hostnames = []", id="empty-allow-list"),
        pytest.param(SITE + "rate_limit.events = 0\nrate_limit.seconds = 1", id="dotted-keys"),
        pytest.param(SITE + "[exchange_rates]\nUSD = 1.0\nVND = 26_000", id="dollar-at-one"),
    ],
)
def test_other_ways_to_write_it(text: str) -> None:
    assert parse(text).find("example.com")


@pytest.mark.parametrize(
    ("line", "dropped"),
    [
        ("", False),
        ("drop_server_clients = false", False),
        ("drop_server_clients = true", True),
        ("allow_server_clients = true", False),
        ("allow_server_clients = false", True),
    ],
)
def test_whether_server_clients_are_dropped(line: str, dropped: bool) -> None:
    (site,) = parse(SITE + line)
    assert site.drop_server_clients is dropped


def test_outdated_keys() -> None:
    other = SITE.replace("1", "2").replace("example.com", "other.example")
    text = f"\ufeff{SITE}allow_server_clients = false\n{other}allow_server_clients = true\n"
    assert list(outdated_keys(text, "sites.toml")) == [
        Mistake(4, "site.allow_server_clients", "write drop_server_clients = true instead"),
        Mistake(
            8,
            "site.allow_server_clients",
            "remove it, HTTP libraries are accepted by default",
        ),
    ]
    assert list(outdated_keys(FULL, "sites.toml")) == []


RATE = SITE + "rate_limit = "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[[site]\n", "1: expected valid TOML", id="syntax"),
        pytest.param("a = 1\nb = \n", "2: expected valid TOML", id="syntax-line"),
        pytest.param("a = 1\n[", "2: expected valid TOML", id="syntax-at-the-end"),
        pytest.param("a = 1\na = 2\n", "2: expected valid TOML", id="key-twice"),
        pytest.param(
            "\na = " + "9" * 5000, "2: expected numbers of fewer digits", id="endless-number"
        ),
        pytest.param(
            "\na = 1e99999999999999999999",
            "2: expected numbers of fewer digits",
            id="endless-exponent",
        ),
        pytest.param(
            "a = " + "[" * 5000, "1: expected valid TOML: arrays or", id="endless-nesting"
        ),
        pytest.param(
            "sites = 1", "1: sites: unknown key, expected site perhaps", id="unknown-table"
        ),
        pytest.param(
            "xyzzy = 1",
            "1: xyzzy: unknown key, expected one of exchange_rates, site",
            id="unknown-table-far-off",
        ),
        pytest.param(
            SITE + 'domian = "x"',
            "4: site.domian: unknown key, expected domain perhaps",
            id="unknown-key",
        ),
        pytest.param(
            SITE + "[site.shields]\nip = []",
            "5: site.shields.ip: unknown key, expected ips perhaps",
            id="unknown-shield",
        ),
        pytest.param(
            SITE + '"a b" = 1', '4: site."a b": unknown key, expected one of', id="quoted-key"
        ),
        pytest.param(
            SITE + '"a\\nb" = 1', '4: site."a\\nb": unknown key', id="key-with-line-break"
        ),
        pytest.param("[site]\nid = 1", "1: site: expected tables under [[site]]", id="one-bracket"),
        pytest.param("site = [1]", "1: site: expected a table, got 1", id="site-is-no-table"),
        pytest.param("\n[[site]]\nid = 1", "2: site.domain: expected this key", id="missing"),
        pytest.param(
            '[[site]]\nid = "1"\ndomain = "a.example"',
            '2: site.id: expected a whole number from 1 to 18446744073709551615, got "1"',
            id="id-as-text",
        ),
        pytest.param(
            '[[site]]\nid = true\ndomain = "a.example"',
            "2: site.id: expected a whole number from 1 to 18446744073709551615, got true",
            id="id-as-flag",
        ),
        pytest.param('[[site]]\nid = 0\ndomain = "a"', "2: site.id: expected a", id="id-zero"),
        pytest.param('[[site]]\nid = -1\ndomain = "a"', "2: site.id: expected a", id="id-negative"),
        pytest.param('[[site]]\nid = 1.0\ndomain = "a"', "2: site.id: expected a", id="id-float"),
        pytest.param(
            '[[site]]\nid = 18446744073709551616\ndomain = "a"',
            "2: site.id: expected a whole",
            id="id-beyond-uint64",
        ),
        pytest.param(
            f'[[site]]\nid = 0x{"f" * 6000}\ndomain = "a"',
            "2: site.id: expected a whole number from 1 to 18446744073709551615, "
            "got a number of more than 256 bits",
            id="id-enormous",
        ),
        pytest.param(
            "[[site]]\nid = 1\ndomain = 1",
            "3: site.domain: expected a domain in quotes",
            id="domain",
        ),
        pytest.param(
            '[[site]]\nid = 1\ndomain = "www.a.example"',
            '3: site.domain: expected the domain without "www.": "a.example", got "www.a.example"',
            id="domain-with-www",
        ),
        pytest.param(
            SITE + 'previous_domain = ""',
            "4: site.previous_domain: expected a domain",
            id="previous",
        ),
        pytest.param(
            f'[[site]]\nid = 1\ndomain = "{"x" * 300}"',
            f'3: site.domain: expected a domain of at most 255 characters, got "{"x" * 60}…"',
            id="long-values-are-cut",
        ),
        pytest.param(
            RATE + "5", "4: site.rate_limit: expected a table, got 5", id="limit-is-no-table"
        ),
        pytest.param(
            RATE + "{ events = -1, seconds = 1 }",
            "4: site.rate_limit.events: expected a whole number, 0 or more, got -1",
            id="limit-negative",
        ),
        pytest.param(
            RATE + "{ events = 1, seconds = 0 }",
            "4: site.rate_limit.seconds: expected a whole number of seconds, 1 or more, got 0",
            id="window-of-no-length",
        ),
        pytest.param(
            RATE + "{ events = 1 }", "4: site.rate_limit.seconds: expected this key", id="no-window"
        ),
        pytest.param(
            SITE + 'timezone = "Europe/Nowhere"',
            '4: site.timezone: expected a time zone such as Europe/Berlin, got "Europe/Nowhere"',
            id="no-such-time-zone",
        ),
        pytest.param(
            SITE + 'accept_traffic_until = "2027-01-01"',
            "4: site.accept_traffic_until: expected a date without quotes, such as 2027-01-01, "
            'got "2027-01-01"',
            id="date-in-quotes",
        ),
        pytest.param(
            SITE + "accept_traffic_until = 2027-01-01T00:00:00",
            "4: site.accept_traffic_until: expected a date",
            id="date-with-time",
        ),
        pytest.param(
            SITE + "accept_traffic_until = 2027-02-30", "4: expected valid TOML", id="no-such-date"
        ),
        pytest.param(
            SITE + "accept_traffic_until = 07:32:00",
            "4: site.accept_traffic_until: expected a date without quotes, such as 2027-01-01, "
            "got 07:32:00",
            id="time",
        ),
        pytest.param(
            SITE + "drop_server_clients = 1",
            "4: site.drop_server_clients: expected true or false, got 1",
            id="flag-as-number",
        ),
        pytest.param(
            SITE + "allow_server_clients = 1",
            "4: site.allow_server_clients: expected true or false, got 1",
            id="outdated-flag-as-number",
        ),
        pytest.param(
            SITE + "drop_server_clients = true\nallow_server_clients = false",
            "5: site.allow_server_clients: expected drop_server_clients alone, got both",
            id="both-flags",
        ),
        *(
            pytest.param(
                SITE + f"server_key = {secret}",
                "4: site.server_key: expected at least 16 ASCII characters without spaces, "
                'got "something else"',
                id=name,
            )
            for name, secret in (
                ("short-key", "'only-15-letters'"),
                ("key-with-space", "'a key with spaces in it'"),
                ("key-beyond-ascii", "'ein-schlüssel-mit-umlaut'"),
                ("key-as-number", "1234567890123456789"),
            )
        ),
        pytest.param(
            SITE + "shields.ips = '203.0.113.7'",
            '4: site.shields.ips: expected an array of strings, got "203.0.113.7"',
            id="array",
        ),
        pytest.param(
            SITE + "shields.ips = ['203.0.113.7',\n'203.0.113.7/24']",
            "5: site.shields.ips: expected the network itself, 203.0.113.0/24, "
            'got "203.0.113.7/24"',
            id="network-with-host-bits",
        ),
        pytest.param(
            SITE + "shields.ips = [{}]",
            "4: site.shields.ips: expected an address or network in quotes, got a table",
            id="table-for-text",
        ),
        pytest.param(
            SITE + "shields.ips = [[]]",
            "4: site.shields.ips: expected an address or network in quotes, got an array",
            id="array-for-text",
        ),
        pytest.param(
            SITE + f"shields.ips = {[f'203.0.113.{number}' for number in range(31)]}",
            "4: site.shields.ips: expected at most 30 entries, got 31",
            id="too-many-addresses",
        ),
        pytest.param(
            SITE + f"shields.countries = {['DE'] * 31}",
            "4: site.shields.countries: expected at most 30 entries, got 31",
            id="too-many-countries",
        ),
        pytest.param(
            SITE + f"shields.pages = {['/'] * 31}",
            "4: site.shields.pages: expected at most 30 entries, got 31",
            id="too-many-pages",
        ),
        pytest.param(
            SITE + f"shields.hostnames = {['a'] * 11}",
            "4: site.shields.hostnames: expected at most 10 entries, got 11",
            id="too-many-hostnames",
        ),
        pytest.param(
            SITE + "shields.countries = ['de']",
            "4: site.shields.countries: expected an ISO 3166-1 alpha-2 code, or ZZ for unknown "
            '(DE?), got "de"',
            id="country-in-small-letters",
        ),
        pytest.param(
            SITE + "shields.countries = ['DEU']",
            "4: site.shields.countries: expected an ISO 3166-1 alpha-2 code, or ZZ for unknown, "
            'got "DEU"',
            id="country-of-three-letters",
        ),
        pytest.param(
            SITE + "shields.pages = ['admin']",
            '4: site.shields.pages: expected a pattern that starts with /, got "admin"',
            id="page-without-slash",
        ),
        pytest.param(
            SITE + f"shields.pages = ['/{'x' * 250}']",
            "4: site.shields.pages: expected a pattern of at most 250 characters",
            id="page-too-long",
        ),
        pytest.param(
            SITE + "shields.hostnames = ['']",
            "4: site.shields.hostnames: expected a hostname such as",
            id="hostname-empty",
        ),
        pytest.param(
            SITE + "shields.hostnames = ['www.example.com']",
            '4: site.shields.hostnames: expected the hostname without "www.": "example.com"',
            id="hostname-with-www",
        ),
        pytest.param(
            SITE + f"shields.hostnames = ['{'x' * 251}']",
            "4: site.shields.hostnames: expected a pattern of at most 250 characters",
            id="hostname-too-long",
        ),
        pytest.param(
            SITE + "[site.script]\noutbound_links = true",
            "4: site.script.id: expected this key, got none",
            id="script-without-id",
        ),
        pytest.param(
            SITE + "script.id = 'pa-x.js'",
            "4: site.script.id: expected 1 to 64 letters, digits, _ and -: what is between pa- and "
            '.js in the page, got "pa-x.js"',
            id="script-id",
        ),
        pytest.param(
            SITE + "script.id = 'x'\nscript.manual = true",
            "5: site.script.manual: unknown key, expected one of",
            id="script-option",
        ),
        pytest.param(
            SITE + "script.id = 'x'\nscript.outbound_links = 1",
            "5: site.script.outbound_links: expected true or false, got 1",
            id="script-option-as-number",
        ),
        pytest.param(
            SITE + "script.id = 'x'\n[[site]]\nid = 2\ndomain = 'a.example'\nscript.id = 'x'",
            '8: site.script.id: expected a value of its own, got "x", the script of site 1',
            id="script-twice",
        ),
        pytest.param(
            SITE + "[[site.revenue_goals]]\nevent = ' '\ncurrency = 'EUR'",
            "5: site.revenue_goals.event: expected an event name of 1 to 120 characters",
            id="goal-without-event",
        ),
        pytest.param(
            SITE + "[[site.revenue_goals]]\nevent = 'Purchase'\ncurrency = 'eur'",
            '6: site.revenue_goals.currency: expected an ISO 4217 currency code (EUR?), got "eur"',
            id="goal-currency",
        ),
        pytest.param(
            SITE + "[site.revenue_goals]\nevent = 'Purchase'",
            "4: site.revenue_goals: expected tables under [[site.revenue_goals]], got a table",
            id="goal-with-one-bracket",
        ),
        pytest.param(
            SITE
            + "[[site.revenue_goals]]\nevent = 'a'\ncurrency = 'EUR'\n"
            + "[[site.revenue_goals]]\nevent = 'a'\ncurrency = 'USD'",
            '8: site.revenue_goals.event: expected one goal per event, got a second one for "a"',
            id="goal-twice",
        ),
        pytest.param(
            "exchange_rates = 5", "1: exchange_rates: expected a table, got 5", id="rates-no-table"
        ),
        pytest.param(
            "[exchange_rates]\nEURO = 1",
            '2: exchange_rates.EURO: expected an ISO 4217 currency code, got "EURO"',
            id="rate-of-no-currency",
        ),
        *(
            pytest.param(
                f"[exchange_rates]\nEUR = {value}",
                "2: exchange_rates.EUR: expected units per US dollar, a number greater than 0, got "
                + shown,
                id=f"rate-{value}",
            )
            for value, shown in [
                ("0", "0"),
                ("-0.5", "-0.5"),
                ("true", "true"),
                ('"0.92"', '"0.92"'),
                ("nan", "NaN"),
                ("inf", "Infinity"),
                ("1e400", "1E+400"),
                ("1e-400", "1E-400"),
            ]
        ),
        pytest.param(
            "[exchange_rates]\nUSD = 2",
            "2: exchange_rates.USD: expected 1 US dollar per US dollar, got 2",
            id="rate-of-the-dollar",
        ),
    ],
)
def test_one_mistake(text: str, expected: str) -> None:
    (line,) = mistakes(text)
    assert line.startswith(f"sites.toml:{expected}")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            "id = 1\ndomain = 'a'",
            "id = 1\ndomain = 'b'",
            "5: site.id: expected a value of its own, got 1, the id of site 1",
        ),
        (
            "id = 1\ndomain = 'a'",
            "id = 2\ndomain = 'a'",
            '6: site.domain: expected a value of its own, got "a", the domain of site 1',
        ),
        (
            "id = 1\ndomain = 'a'",
            "id = 2\ndomain = 'b'\nprevious_domain = 'a'",
            '7: site.previous_domain: expected a value of its own, got "a", the domain of site 1',
        ),
        (
            "id = 1\ndomain = 'a'\nprevious_domain = 'b'",
            "id = 2\ndomain = 'b'",
            '7: site.domain: expected a value of its own, got "b", the previous_domain of site 1',
        ),
        (
            "id = 1\ndomain = 'a'\nprevious_domain = 'a'",
            "id = 2\ndomain = 'b'",
            '4: site.previous_domain: expected a value of its own, got "a", the domain of site 1',
        ),
    ],
    ids=["id", "domain", "previous-of-other", "domain-was-previous", "previous-is-own"],
)
def test_duplicates(first: str, second: str, expected: str) -> None:
    assert mistakes(f"[[site]]\n{first}\n[[site]]\n{second}") == [f"sites.toml:{expected}"]


@pytest.mark.parametrize(
    "text",
    ["site = [1, 2]", SITE + "revenue_goals = [1, { event = 5 }]", "[exchange_rates]\nUSD = 'x'"],
)
def test_duplicates_are_looked_for_among_well_formed_values_only(text: str) -> None:
    assert not any("of its own" in line or "one goal" in line for line in mistakes(text))


def test_all_mistakes_are_reported_in_the_order_of_lines() -> None:
    text = """[[site]]
id = "one"
[site.shields]
ips = ["300.1.1.1", 5]
countries = ["Germany"]
[[site]]
id = 2
domain = "b.example"
colour = "red"
[[site]]
id = 2
domain = "b.example"
[exchange_rates]
EUR = -1
"""
    found = [line.split(":")[1:3] for line in mistakes(text)]
    assert found == [
        ["1", " site.domain"],
        ["2", " site.id"],
        ["4", " site.shields.ips"],
        ["4", " site.shields.ips"],
        ["5", " site.shields.countries"],
        ["9", " site.colour"],
        ["11", " site.id"],
        ["12", " site.domain"],
        ["14", " exchange_rates.EUR"],
    ]


def test_mistakes_can_be_read_by_programs() -> None:
    with pytest.raises(SitesFileError) as raised:
        parse("sites = 1")
    (mistake,) = raised.value.mistakes
    assert (raised.value.source, mistake.line, mistake.key) == ("sites.toml", 1, "sites")


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SITE.encode())
    assert read_sites(path).find("example.com") == Site(1, "example.com")


def test_read_what_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_bytes(SITE.encode() + b"# caf\xe9\n")
    with pytest.raises(SitesFileError) as raised:
        read_sites(path)
    assert str(raised.value) == f"{path}:4: expected UTF-8 text, got the byte 0xe9"


def test_read_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SitesFileError, match="No such file or directory; `sluice init` makes a"):
        read_sites(tmp_path / "sites.toml")


def test_read_a_directory(tmp_path: Path) -> None:
    with pytest.raises(SitesFileError, match="cannot be read: Is a directory"):
        read_sites(tmp_path)


def test_the_file_that_is_shipped() -> None:
    shipped = Path(__file__).parents[3] / "config" / "sites.toml"
    assert read_sites(shipped).find("example.com") == Site(1, "example.com")


def test_the_examples_in_the_file_that_is_shipped() -> None:
    shipped = (Path(__file__).parents[3] / "config" / "sites.toml").read_text()
    required, optional = shipped.split("# All the rest is optional.\n")
    shown = "\n".join(line.removeprefix("#").removeprefix(" ") for line in optional.splitlines())
    (site,) = parse(required + shown).sites
    assert site.previous_domain
    assert site.rate_limit
    assert site.accept_traffic_until
    assert site.drop_server_clients
    assert site.server_key
    assert site.timezone == "Europe/Berlin"
    assert site.shields.ips
    assert site.shields.countries
    assert site.shields.pages
    assert site.shields.hostnames
    assert site.revenue_goals == {"Purchase": "EUR"}


def registry_or_mistakes(text: str) -> None:
    """Any other exception fails the test; so do mistakes that stand nowhere in the text."""
    mistakes: tuple[Mistake, ...] = ()
    try:
        parse(text)
    except SitesFileError as error:
        mistakes = error.mistakes
        message = str(error)
    if mistakes:
        assert len(message.split("\n")) == len(mistakes)
        last = text.replace("\r\n", "\n").count("\n") + 1
        assert all(1 <= mistake.line <= last for mistake in mistakes)


@given(st.text())
def test_any_text_is_a_registry_or_mistakes(text: str) -> None:
    registry_or_mistakes(text)


VALUES = st.sampled_from(
    [
        *("1", "-1", "0", "true", "nan", "1.5", '""', '"a"', '"/x"', "'DE'", "'EUR'", "[]", "{}"),
        *("['a']", "['/x']", "[1, [2]]", "{ events = 1, seconds = 2 }", "2027-01-01", "07:00:00"),
        *(
            "99999999999999999999",
            "[{ event = 'a', currency = 'EUR' }]",
            "'\\u0000'",
            "['10.0.0.1']",
        ),
    ]
)
KEYS = st.sampled_from(
    [
        *("id", "domain", "previous_domain", "rate_limit", "accept_traffic_until", "shields"),
        *(
            "server_key",
            "timezone",
            "allow_server_clients",
            "drop_server_clients",
            "revenue_goals",
            "site",
            "exchange_rates",
            "EUR",
            "USD",
            "x",
        ),
        *("shields.ips", "shields.countries", "shields.pages", "site.id", '"\\n"', "events"),
    ]
)
LINES = st.sampled_from(
    ["[[site]]", "[site]", "[site.shields]", "[[site.revenue_goals]]", "[exchange_rates]", "# x"]
) | st.builds("{} = {}".format, KEYS, VALUES)


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_any_tables_are_a_registry_or_mistakes(text: str) -> None:
    registry_or_mistakes(text)

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.iso_codes import COUNTRIES, CURRENCIES
from ingest.sites.shields import NO_SHIELDS, Patterns, Shields, parse_network


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        pytest.param("/admin", "/admin", True, id="exact"),
        pytest.param("/admin", "/admin/", False, id="anchored-at-the-end"),
        pytest.param("/admin", "/de/admin", False, id="anchored-at-the-start"),
        pytest.param("/admin", "/Admin", False, id="case-counts"),
        pytest.param("/admin/**", "/admin/users/1", True, id="two-stars-cross-slashes"),
        pytest.param("/admin/*", "/admin/users/1", True, id="one-star-crosses-slashes-too"),
        pytest.param("/admin/*", "/admin/", True, id="star-matches-nothing"),
        pytest.param("/admin/*", "/admin", False, id="slash-before-star-is-needed"),
        pytest.param("/*/edit", "/posts/1/edit", True, id="star-inside"),
        pytest.param("/*/edit", "/edit", False, id="start-and-end-must-not-overlap"),
        pytest.param("/a*b*c", "/a-b-c", True, id="pieces-in-order"),
        pytest.param("/a*b*c", "/a-c-b", False, id="pieces-out-of-order"),
        pytest.param("/a*b*bc", "/abc", False, id="piece-must-not-reach-into-the-end"),
        pytest.param("/a*b*bc", "/abbc", True, id="piece-right-before-the-end"),
        pytest.param("/a.b", "/axb", False, id="dot-is-a-dot"),
        pytest.param("/[ab]?", "/a", False, id="no-other-wildcards"),
        pytest.param("/*", "/#/hash", True, id="fragment-is-part-of-the-path"),
        pytest.param("/*", "/line\nbreak", True, id="star-matches-newlines"),
        pytest.param("/a", "/a\n", False, id="end-is-the-very-end"),
        pytest.param("/*", "/\udcff", True, id="undecodable-bytes"),
        pytest.param("***", "", True, id="only-stars-match-nothing"),
        pytest.param("*", "anything", True, id="only-star-matches-everything"),
    ],
)
def test_patterns(pattern: str, text: str, matches: bool) -> None:
    assert Patterns([pattern]).match(text) is matches


def oracle(pattern: str, text: str) -> bool:
    """The textbook table: which prefixes of the text does each prefix of the pattern match?"""
    reach = [True] + [False] * len(text)
    for char in pattern:
        if char == "*":
            for index in range(1, len(text) + 1):
                reach[index] = reach[index] or reach[index - 1]
        else:
            reach = [False] + [reach[index] and text[index] == char for index in range(len(text))]
    return reach[-1]


@given(st.lists(st.text("ab/*", max_size=8), max_size=4), st.text("ab/", max_size=12))
def test_patterns_agree_with_the_textbook(patterns: list[str], text: str) -> None:
    assert Patterns(patterns).match(text) == any(oracle(pattern, text) for pattern in patterns)


def test_hostile_text_is_matched_in_no_time() -> None:
    # A backtracking matcher would need more steps than there are atoms; this one a few thousand.
    assert not Patterns(["/" + "*a" * 120 + "*b"]).match("/" + "a" * 1999)


@pytest.mark.parametrize(
    ("hostname", "allowed"),
    [
        ("example.com", True),
        ("shop.example.com", True),
        ("a.b.example.com", True),
        ("notexample.com", False),
        ("example.com.evil.test", False),
        ("Example.com", False),
        ("(none)", False),
    ],
)
def test_hostname_shield_allows_only_what_matches(hostname: str, allowed: bool) -> None:
    shields = Shields(hostnames=("example.com", "*.example.com"))
    assert shields.allows_hostname(hostname) is allowed


def test_hostname_shield_may_allow_pages_without_host() -> None:
    assert Shields(hostnames=("(none)",)).allows_hostname("(none)")


def test_page_shield_blocks_what_matches() -> None:
    shields = Shields(pages=("/admin/**", "/draft*"))
    assert shields.blocking_page("/admin/x") == "/admin/**"
    assert shields.blocking_page("/draft-1") == "/draft*"
    assert shields.blocking_page("/blog") is None


@pytest.mark.parametrize(
    ("rule", "client_ip", "blocked"),
    [
        pytest.param("203.0.113.7", "203.0.113.7", True, id="address"),
        pytest.param("203.0.113.7", "203.0.113.8", False, id="next-address"),
        pytest.param("203.0.113.0/24", "203.0.113.255", True, id="last-of-network"),
        pytest.param("203.0.113.0/24", "203.0.114.0", False, id="after-network"),
        pytest.param("0.0.0.0/0", "198.51.100.1", True, id="all-of-ipv4"),
        pytest.param("0.0.0.0/0", "2001:db8::1", False, id="all-of-ipv4-is-not-ipv6"),
        pytest.param("::/0", "2001:db8::1", True, id="all-of-ipv6"),
        pytest.param("2001:db8::1", "2001:DB8:0:0:0:0:0:1", True, id="other-form-of-ipv6"),
        pytest.param("2001:db8::/32", "2001:db8:ffff::", True, id="ipv6-network"),
        pytest.param("2001:db8::/32", "2001:db9::", False, id="other-ipv6-network"),
        pytest.param("203.0.113.7", "::ffff:203.0.113.7", True, id="mapped-client"),
        pytest.param("::ffff:203.0.113.7", "203.0.113.7", True, id="mapped-rule"),
        pytest.param("::ffff:203.0.113.0/120", "203.0.113.9", True, id="mapped-network"),
        pytest.param("fe80::1", "fe80::1%eth0", True, id="client-with-zone"),
        pytest.param("0.0.0.7", "::7", False, id="same-number-other-version"),
        pytest.param("203.0.113.7", "203.0.113.7:80", False, id="port"),
        pytest.param("203.0.113.7", "", False, id="empty"),
        pytest.param("203.0.113.7", "unknown", False, id="garbage"),
        pytest.param("203.0.113.7", "\udcff", False, id="undecodable"),
        pytest.param("203.0.113.7", "9" * 10_000, False, id="very-long"),
    ],
)
def test_ip_shield(rule: str, client_ip: str, blocked: bool) -> None:
    assert (Shields(ips=(rule,)).blocking_network(client_ip) is not None) is blocked


@given(
    st.lists(st.ip_addresses().map(str) | st.just("10.0.0.0/9") | st.just("fc00::/7"), max_size=5),
    st.ip_addresses().map(str) | st.sampled_from(["10.1.2.3", "10.128.0.0", "fdff::1"]),
)
def test_ip_shield_agrees_with_the_networks(rules: list[str], client_ip: str) -> None:
    address = ipaddress.ip_address(client_ip)
    address = getattr(address, "ipv4_mapped", None) or address
    entries = enumerate(map(parse_network, rules), 1)
    first = next((entry for entry in entries if address in entry[1]), None)
    assert Shields(ips=tuple(rules)).blocking_network(client_ip) == first


@given(st.text(max_size=50))
def test_ip_shield_takes_any_text(client_ip: str) -> None:
    shields = Shields(ips=("0.0.0.0/0", "::/0"))
    try:
        ipaddress.ip_address(client_ip)
    except ValueError:
        assert shields.blocking_network(client_ip) is None
    else:
        assert shields.blocking_network(client_ip) is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("203.0.113.7/24", "the network itself, 203.0.113.0/24", id="host-bits"),
        pytest.param("203.0.113.0/33", "an address such as", id="prefix-too-long"),
        pytest.param("300.1.1.1", "an address such as", id="no-address"),
        pytest.param("", "an address such as", id="empty"),
        pytest.param("fe80::1%eth0", "without a zone", id="zone"),
    ],
)
def test_what_is_no_network(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse_network(text)


@pytest.mark.parametrize(
    ("code", "blocked"),
    [("DE", True), ("de", True), ("FR", False), ("", True), ("ZZ", True)],
)
def test_country_shield(code: str, blocked: bool) -> None:
    assert Shields(countries=("DE", "ZZ")).blocks_country(code) is blocked


def test_unknown_country_passes_unless_it_has_a_rule() -> None:
    assert not Shields(countries=("DE",)).blocks_country("")


def test_without_rules_nothing_is_blocked() -> None:
    assert NO_SHIELDS.allows_hostname("(none)")
    assert NO_SHIELDS.blocking_page("/") is None
    assert NO_SHIELDS.blocking_network("203.0.113.7") is None
    assert not NO_SHIELDS.blocks_country("")


def test_shields_are_compared_by_their_rules() -> None:
    assert Shields(ips=("203.0.113.7",)) == Shields(ips=("203.0.113.7",))
    assert Shields(ips=("203.0.113.7",)) != Shields()
    assert len({Shields(), NO_SHIELDS}) == 1


def test_code_lists() -> None:
    assert {"DE", "US", "XK", "XX", "ZZ"} <= COUNTRIES
    assert all(re.fullmatch("[A-Z]{2}", code) for code in COUNTRIES)
    assert len(COUNTRIES) == 249 + 42
    assert {"USD", "EUR", "BRL", "JPY"} <= CURRENCIES
    assert all(re.fullmatch("[A-Z]{3}", code) for code in CURRENCIES)


@given(st.lists(st.text("ab/*", max_size=8), max_size=4), st.text("ab/", max_size=12))
def test_the_pattern_that_matches_is_found(patterns: list[str], text: str) -> None:
    expected = next((pattern for pattern in patterns if Patterns([pattern]).match(text)), None)
    assert Patterns(patterns).find(text) == expected


def test_the_network_that_blocks_is_found() -> None:
    shields = Shields(ips=("198.51.100.0/24", "203.0.113.7", "203.0.113.0/24", "2001:db8::/32"))
    assert shields.blocking_network("203.0.113.7") == (2, parse_network("203.0.113.7"))
    assert shields.blocking_network("::ffff:203.0.113.8") == (3, parse_network("203.0.113.0/24"))
    assert shields.blocking_network("2001:db8::1") == (4, parse_network("2001:db8::/32"))
    for other in ("192.0.2.1", "2001:db9::1", "", "unix:", "203.0.113.7 "):
        assert shields.blocking_network(other) is None

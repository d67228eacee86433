import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.request.client_address import (
    MAX_ADDRESS_LENGTH,
    ClientAddress,
    TrustedProxies,
    resolve_client_ip,
)

ALL = TrustedProxies.parse("all")
PEER = "198.51.100.9"
HEADERS = {
    "x-plausible-ip": "192.0.2.1",
    "cf-connecting-ip": "192.0.2.2",
    "b-forwarded-for": "192.0.2.3, 10.0.0.1",
    "x-forwarded-for": "192.0.2.4, 10.0.0.1",
    "forwarded": 'by=10.0.0.1;for="192.0.2.5";proto=https, for=10.0.0.2',
}


@pytest.mark.parametrize("first", range(len(HEADERS)), ids=HEADERS)
def test_the_first_header_wins(first: int) -> None:
    headers = dict(list(HEADERS.items())[first:])

    address = resolve_client_ip(headers, PEER, ALL)

    assert address.ip == f"192.0.2.{first + 1}"
    assert address.header == list(HEADERS)[first]


def test_the_peer_comes_last() -> None:
    assert resolve_client_ip({"accept": "*/*"}, PEER, ALL) == ClientAddress(PEER, None, None)


@pytest.mark.parametrize("empty", ["", " ", ","])
def test_headers_that_yield_nothing_are_passed_over(empty: str) -> None:
    headers = dict.fromkeys(("b-forwarded-for", "x-forwarded-for", "forwarded"), empty)
    headers |= {"x-plausible-ip": empty.strip(","), "cf-connecting-ip": empty.strip(",")}

    assert resolve_client_ip(headers, PEER, ALL) == ClientAddress(PEER, None, None)
    headers["forwarded"] = "for=192.0.2.5"
    assert resolve_client_ip(headers, PEER, ALL).ip == "192.0.2.5"


CLEANED = {
    "216.160.83.56": "216.160.83.56",
    "216.160.83.56:123": "216.160.83.56",
    "[2001:218:1:1:1:1:1:1]:123": "2001:218:1:1:1:1:1:1",
    "[2001:218:1:1:1:1:1:1]": "2001:218:1:1:1:1:1:1",
    "2001:218:1:1:1:1:1:1": "2001:218:1:1:1:1:1:1",
    "2001:218::123": "2001:218::123",
    "::ffff:192.0.2.1": "::ffff:192.0.2.1",
    "::ffff:192.0.2.1:80": "::ffff:192.0.2.1",
    "  192.0.2.1  ": "192.0.2.1",
    "[192.0.2.1": "192.0.2.1",
    "192.0.2.1:": "192.0.2.1:",
    "192.0.2.1:80a": "192.0.2.1:80a",
    "192.0.2.1:80\n": "192.0.2.1",
    "unknown": "unknown",
    "localhost:80": "localhost:80",
    "_hidden": "_hidden",
    "\x00": "\x00",
    "١.١:٣": "١.١:٣",
}


@pytest.mark.parametrize(("value", "ip"), CLEANED.items(), ids=[ascii(text) for text in CLEANED])
@pytest.mark.parametrize("header", HEADERS)
def test_cleans_addresses(header: str, value: str, ip: str) -> None:
    if header == "forwarded":
        value = f'for="{value}"'

    assert resolve_client_ip({header: value}, PEER, ALL).ip == ip


@pytest.mark.parametrize(
    ("value", "ip"),
    [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=192.0.2.1", "192.0.2.1"),
        ("FOR=192.0.2.1;by=10.0.0.1", "192.0.2.1"),
        ("proto=https; for=192.0.2.1", "192.0.2.1"),
        ("for=192.0.2.1, for=10.0.0.1", "192.0.2.1"),
        ("by=10.0.0.1,for=192.0.2.1", "192.0.2.1"),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="192.0.2.1:80";host=example.com', "192.0.2.1"),
        ("for=unknown", "unknown"),
        ("for=", PEER),
        ('for=""', PEER),
        ("by=10.0.0.1", PEER),
        ("notfor=192.0.2.1", PEER),
        ("nonsense", PEER),
    ],
)
def test_reads_forwarded(value: str, ip: str) -> None:
    assert resolve_client_ip({"forwarded": value}, PEER, ALL).ip == ip


@pytest.mark.parametrize("header", ["x-plausible-ip", "x-forwarded-for", "forwarded"])
@pytest.mark.parametrize("filler", ["a", "1.", "for=", "]:", "[", ",", ";for", ".1:1", " "])
def test_a_long_header_costs_little(header: str, filler: str) -> None:
    value = filler * (65_536 // len(filler))
    started = time.process_time()

    address = resolve_client_ip({header: value}, PEER, ALL)

    assert time.process_time() - started < 0.05
    assert len(address.ip) <= MAX_ADDRESS_LENGTH


@given(st.sampled_from(list(HEADERS)), st.text(st.characters()), st.text())
def test_no_header_raises(header: str, value: str, peer: str) -> None:
    assert isinstance(resolve_client_ip({header: value}, peer, ALL).ip, str)


@pytest.mark.parametrize(
    ("peer", "ip"),
    [
        (PEER, PEER),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("<local>", ""),
        ("unix:/run/sluice.sock", ""),
    ],
)
def test_the_peer_as_the_visitor(peer: str, ip: str) -> None:
    assert resolve_client_ip({}, peer, ALL).ip == ip


@pytest.mark.parametrize(
    ("value", "ip_type"),
    [
        ("dc_ip", "dc_ip"),
        ("threat_ip", "threat_ip"),
        ("anonymous_vpn_ip", "anonymous_vpn_ip"),
        ("DC_IP", None),
        (" dc_ip", None),
        ("", None),
        ("residential", None),
    ],
)
def test_reads_the_type_of_the_address(value: str, ip_type: str | None) -> None:
    headers = {"x-plausible-ip-type": value}
    assert resolve_client_ip(headers, PEER, ALL).ip_type == ip_type

    headers["x-forwarded-for"] = "192.0.2.1"
    address = resolve_client_ip(headers, PEER, ALL)
    assert (address.ip, address.ip_type) == ("192.0.2.1", ip_type)


@pytest.mark.parametrize("header", HEADERS)
def test_an_untrusted_peer_is_not_believed(header: str) -> None:
    headers = {header: HEADERS[header], "x-plausible-ip-type": "dc_ip"}

    address = resolve_client_ip(headers, PEER, TrustedProxies.parse("private"))

    assert address == ClientAddress(PEER, None, None)


def test_addresses_stay_out_of_logs() -> None:
    assert "192.0.2.1" not in repr(ClientAddress("192.0.2.1", "x-forwarded-for", None))


LOCAL = ("", "<local>", "unix:/run/sluice.sock")
PRIVATE: tuple[str, ...] = (
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "10.2.3.4",
    "172.16.0.1",
    "172.31.255.255",
)
PRIVATE += ("192.168.1.1", "169.254.1.1", "fd00::1", "fe80::1", "fe80::1%eth0", "::ffff:10.0.0.1")
PUBLIC: tuple[str, ...] = (
    "8.8.8.8",
    "172.32.0.1",
    "203.0.113.5",
    "100.64.0.1",
    "2001:db8::1",
    "::ffff:8.8.8.8",
)
PUBLIC += ("0.0.0.0", "::")


@pytest.mark.parametrize(
    ("setting", "trusted", "untrusted"),
    [
        ("all", LOCAL + PRIVATE + PUBLIC, ()),
        (" ALL ", PUBLIC, ()),
        ("private", LOCAL + PRIVATE, PUBLIC),
        ("Private", PRIVATE, PUBLIC),
        ("203.0.113.0/24", ("203.0.113.5", "::ffff:203.0.113.5"), (*LOCAL, *PRIVATE, "8.8.8.8")),
        ("203.0.113.5", ("203.0.113.5",), ("203.0.113.6",)),
        ("2001:db8::/32, 10.0.0.0/8", ("2001:db8::9", "10.0.0.1"), ("127.0.0.1", *LOCAL)),
        ("10.0.0.0/8 127.0.0.0/8", ("10.0.0.1", *LOCAL), ("::1",)),
        ("::1", ("::1", *LOCAL), ("127.0.0.1",)),
        ("private,203.0.113.0/24", (*PRIVATE, *LOCAL, "203.0.113.5"), ("8.8.8.8",)),
    ],
)
def test_trusts(setting: str, trusted: tuple[str, ...], untrusted: tuple[str, ...]) -> None:
    proxies = TrustedProxies.parse(setting)

    assert [peer for peer in trusted if not proxies.trusts(peer)] == []
    assert [peer for peer in untrusted if proxies.trusts(peer)] == []


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("", "expected all, private or a list of networks"),
        (" , ", "expected all, private or a list of networks"),
        ("none", "'none' does not appear to be an IPv4 or IPv6 network"),
        ("all, 10.0.0.0/8", "'all'"),
        ("10.0.0.1/8", "host bits set"),
        ("10.0.0.0/33", "10.0.0.0/33"),
        ("example.com", "example.com"),
    ],
)
def test_refuses_settings(setting: str, part: str) -> None:
    with pytest.raises(ValueError, match="trusted proxies: ") as raised:
        TrustedProxies.parse(setting)
    assert part in str(raised.value)
    assert "\n" not in str(raised.value)


def test_settings_are_values() -> None:
    assert TrustedProxies.parse("private") == TrustedProxies.parse(" private ")
    assert TrustedProxies.parse("private") != TrustedProxies.parse("all")

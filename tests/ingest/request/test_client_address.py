import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.request.client_address import (
    JOINED_HEADERS,
    MAX_ADDRESS_LENGTH,
    ClientAddress,
    TrustedProxies,
    resolve_client_ip,
)

ALL = TrustedProxies.parse("all")
LISTED = TrustedProxies.parse("198.51.100.0/24, 2001:db8:9::/48, private")
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


@pytest.mark.parametrize(
    ("value", "ip"),
    [
        ("unknown, 203.0.113.51", "203.0.113.51"),
        ("unknown, 203.0.113.52, 10.0.0.1", "203.0.113.52"),
        (" , 203.0.113.51", "203.0.113.51"),
        ("_hidden,unknown,[2001:db8::1]:443", "2001:db8::1"),
        # None is an address.
        ("unknown, localhost", "unknown"),
        ("a," * 16 + "203.0.113.51", "a"),
    ],
)
@pytest.mark.parametrize("header", ["b-forwarded-for", "x-forwarded-for", "forwarded"])
def test_the_first_address_of_a_list_counts(header: str, value: str, ip: str) -> None:
    if header == "forwarded":
        value = ",".join(f'for="{part.strip()}"' for part in value.split(","))
    assert resolve_client_ip({header: value}, PEER, ALL).ip == ip


@pytest.mark.parametrize("setting", ["all", "198.51.100.0/24"])
@pytest.mark.parametrize("header", ["x-plausible-ip", "x-forwarded-for", "forwarded"])
@pytest.mark.parametrize("filler", ["a", "1.", "for=", "]:", "[", ",", ";for", ".1:1", " ", "::,"])
def test_of_a_long_header_little_is_used(setting: str, header: str, filler: str) -> None:
    value = filler * (65_536 // len(filler))
    address = resolve_client_ip({header: value}, PEER, TrustedProxies.parse(setting))
    assert len(address.ip) <= MAX_ADDRESS_LENGTH


@given(
    st.sampled_from(list(HEADERS)),
    st.text(st.characters()) | st.text(st.sampled_from('1.:,[]"=;for \t')),
    st.text() | st.just(PEER),
    st.sampled_from([ALL, LISTED]),
)
def test_no_header_raises(header: str, value: str, peer: str, trusted: TrustedProxies) -> None:
    assert isinstance(resolve_client_ip({header: value}, peer, trusted).ip, str)


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


OTHER_PROXY = "198.51.100.10"
SINGLE = ("x-plausible-ip", "cf-connecting-ip")


@pytest.mark.parametrize(
    ("value", "ip"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", id="one"),
        pytest.param("192.0.2.66, 192.0.2.1", "192.0.2.1", id="the right-most"),
        pytest.param(f"192.0.2.66, 192.0.2.1, {OTHER_PROXY}", "192.0.2.1", id="before a proxy"),
        pytest.param(
            f"192.0.2.1,{OTHER_PROXY} ,10.0.0.1,\t{PEER}", "192.0.2.1", id="before three proxies"
        ),
        pytest.param("2001:db8::1, 2001:db8:9::1", "2001:db8::1", id="IPv6"),
        pytest.param("192.0.2.1, ::ffff:198.51.100.10", "192.0.2.1", id="an IPv4-mapped proxy"),
        pytest.param("192.0.2.1, fe80::1%eth0", "192.0.2.1", id="a proxy with a zone"),
        pytest.param("192.0.2.1:4711, 10.0.0.1:80", "192.0.2.1", id="ports"),
        pytest.param("[2001:db8::1]:4711, [::1]", "2001:db8::1", id="brackets"),
        pytest.param(f"10.0.0.7, {OTHER_PROXY}", "10.0.0.7", id="all are proxies"),
        pytest.param("192.0.2.1, , ,", "192.0.2.1", id="empty elements"),
        pytest.param("192.0.2.66, unknown", "unknown", id="no address is text"),
        pytest.param("192.0.2.66, 192.0.2.1x, 10.0.0.1", "192.0.2.1x", id="text before a proxy"),
        pytest.param("192.0.2.66, 10.0.0.1/8", "10.0.0.1/8", id="a network is no address"),
        pytest.param("192.0.2.66, 010.0.0.1", "010.0.0.1", id="leading zeros are no address"),
        pytest.param("192.0.2.66, []", PEER, id="nothing in brackets"),
        pytest.param("192.0.2.66, [], 10.0.0.1", "10.0.0.1", id="nothing before a proxy"),
        pytest.param(" , ", PEER, id="nothing"),
        pytest.param("192.0.2.66" + ",10.0.0.1" * 150, None, id="more proxies than are walked"),
    ],
)
@pytest.mark.parametrize("header", ["b-forwarded-for", "x-forwarded-for"])
def test_of_listed_proxies_the_right_most_stranger_counts(
    header: str, value: str, ip: str | None
) -> None:
    address = resolve_client_ip({header: value}, PEER, LISTED)
    assert address.ip == (value[:MAX_ADDRESS_LENGTH] if ip is None else ip)
    assert address.header == (None if ip == PEER else header)


@pytest.mark.parametrize(
    ("value", "ip"),
    [
        ("for=192.0.2.66, for=192.0.2.1", "192.0.2.1"),
        ("for=192.0.2.66, for=192.0.2.1, for=10.0.0.1;by=10.0.0.2", "192.0.2.1"),
        ('for=192.0.2.66, proto=https;For="[2001:db8::1]:47"', "2001:db8::1"),
        ("for=192.0.2.1, ,", "192.0.2.1"),
        ("for=192.0.2.66, for=_hidden, for=10.0.0.1", "_hidden"),
        ("for=10.0.0.7, for=10.0.0.1", "10.0.0.7"),
        # Who came before cannot be told.
        ("for=192.0.2.66, by=10.0.0.1", PEER),
        ("for=192.0.2.66, for=", PEER),
        ('for=192.0.2.66, for="", for=10.0.0.1', "10.0.0.1"),
        ("for=192.0.2.66, for=192.0.2.1;for=192.0.2.2", PEER),
        ("for=192.0.2.66, nonsense, for=10.0.0.1", "10.0.0.1"),
        # Quotes that the client has left open, or that a proxy has put around its `Host`.
        ('for="192.0.2.66, for=192.0.2.1', "192.0.2.1"),
        ('by=10.0.0.1;host="x, for=192.0.2.66";for=192.0.2.1', PEER),
        ('host="x;for=192.0.2.66";for=192.0.2.1', PEER),
    ],
)
def test_of_listed_proxies_forwarded_is_read_from_its_end(value: str, ip: str) -> None:
    assert resolve_client_ip({"forwarded": value}, PEER, LISTED).ip == ip


@pytest.mark.parametrize("setting", ["all", "private", " Private private"])
def test_without_a_list_the_left_most_counts(setting: str) -> None:
    headers = {"x-forwarded-for": "192.0.2.4, 192.0.2.5"}
    joined = {"x-forwarded-for": "192.0.2.4, 192.0.2.5, 192.0.2.6"}
    trusted = TrustedProxies.parse(setting)
    assert not trusted.listed
    assert resolve_client_ip(headers, "10.0.0.1", trusted, joined).ip == "192.0.2.4"


def test_all_lines_of_a_list_count_where_networks_are_listed() -> None:
    headers = {"x-forwarded-for": "192.0.2.66"}
    joined = {"x-forwarded-for": "192.0.2.66,192.0.2.1"}
    assert resolve_client_ip(headers, PEER, LISTED, joined).ip == "192.0.2.1"
    assert {"x-forwarded-for", "b-forwarded-for", "forwarded"} == JOINED_HEADERS


@pytest.mark.parametrize("header", SINGLE)
def test_listed_proxies_may_name_the_address(header: str) -> None:
    headers = {header: "192.0.2.1, 192.0.2.2", "x-forwarded-for": "192.0.2.3"}
    assert resolve_client_ip(headers, PEER, LISTED).ip == "192.0.2.1, 192.0.2.2"


@pytest.mark.parametrize("header", HEADERS)
def test_a_peer_that_is_not_listed_is_not_believed(header: str) -> None:
    headers = {header: HEADERS[header], "x-plausible-ip-type": "dc_ip"}
    address = resolve_client_ip(headers, "203.0.113.1", LISTED)
    assert address == ClientAddress("203.0.113.1", None, None)


ADDRESSES = st.ip_addresses().map(str)
PREFIXES = st.text(st.characters(codec="latin-1")) | st.lists(
    ADDRESSES | st.sampled_from([PEER, OTHER_PROXY, "10.0.0.1", "for=", '"', "[", "unknown", ""])
).map(",".join)


@given(PREFIXES, ADDRESSES, st.lists(st.sampled_from([OTHER_PROXY, "10.0.0.1", "::1"])))
def test_what_a_client_prepends_changes_nothing(
    forged: str, address: str, proxies: list[str]
) -> None:
    parsed = ipaddress.ip_address(address)
    assume(not LISTED.holds(getattr(parsed, "ipv4_mapped", None) or parsed))
    honest = ", ".join([address, *proxies])
    lists = {"x-forwarded-for": f"{forged},{honest}"}
    assert resolve_client_ip(lists, PEER, LISTED).ip == address


@given(
    PREFIXES, st.ip_addresses(v=4).map(str), st.lists(st.sampled_from([OTHER_PROXY, "10.0.0.1"]))
)
def test_what_a_client_puts_before_a_proxys_elements_changes_nothing(
    forged: str, address: str, proxies: list[str]
) -> None:
    assume(not LISTED.holds(ipaddress.ip_address(address)))
    honest = ", ".join(f"for={hop};proto=https" for hop in [address, *proxies])
    lists = {"forwarded": f"{forged},{honest}"}
    assert resolve_client_ip(lists, PEER, LISTED).ip == address


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
    assert TrustedProxies.parse("private") != TrustedProxies.parse("private 127.0.0.0/8")


ADDRESSES = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded),
    st.lists(
        st.sampled_from(["", "0", "00", "1", "ff", "255", "256", "FFFF", "1.2.3.4"]), max_size=9
    ).map(":".join),
    st.lists(st.sampled_from(["", "0", "01", "1", "99", "255", "256", "a"]), max_size=5).map(
        ".".join
    ),
    st.text("0123456789abcdef:.%x\xb2 ", max_size=40),
)


@given(ADDRESSES, st.sampled_from(["", "%1", "%eth0", "%"]))
def test_the_first_address_is_what_ipaddress_takes_for_one(text: str, zone: str) -> None:
    text = (text + zone).strip()
    assume(":" not in text or "." not in text)  # the end would be a port
    try:
        ipaddress.ip_address(text)
        first = text
    except ValueError:
        first = "192.0.2.77"

    assert resolve_client_ip({"x-forwarded-for": f"{text},192.0.2.77"}, PEER, ALL).ip == first


@given(st.ip_addresses() | st.sampled_from([each[0] for each in LISTED.networks]))
def test_networks_hold_what_ipaddress_says(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert LISTED.holds(address) is any(address in network for network in LISTED.networks)

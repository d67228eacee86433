import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.log_address import (
    Visitors,
    addresses_in,
    host_of,
    is_forwarded,
    is_virtual_host,
    is_visitor,
    without_port,
)
from ingest.past.past_event import BrokenLineError
from ingest.request.client_address import TrustedProxies

PRIVATE = Visitors(TrustedProxies.parse("private"))


@pytest.mark.parametrize(
    ("text", "peer", "client"),
    [
        ("203.0.113.9", "203.0.113.9", None),
        ("203.0.113.9:4321", "203.0.113.9", None),
        ("2001:db8::1", "2001:db8::1", None),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("[2001:db8::1]:443", "2001:db8::1", None),
        ("ip-203-0-113-28.isp.example", "ip-203-0-113-28.isp.example", None),
        ("localhost", "localhost", None),
        ("unix:", "unix:", None),
        ("198.51.100.188,10.183.250.139", "", "198.51.100.188"),
        ("unknown, 203.0.113.51", "", "203.0.113.51"),
        ("-, 203.0.113.51, 192.0.2.7:80", "", "203.0.113.51"),
    ],
)
def test_visitors(text: str, peer: str, client: str | None) -> None:
    assert PRIVATE.peer_and_client(text) == (peer, client)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "Nov",
        "INFO",
        "pc42",
        "1.2.3",
        "1.2.3.4.5",
        "a..b",
        "a b.c",
        "203.0.113.9,x",
        "[::1",
    ],
)
def test_what_is_no_visitor(text: str) -> None:
    with pytest.raises(BrokenLineError) as broken:
        PRIVATE.peer_and_client(text)
    assert text in ("", "-") or text not in str(broken.value)


def test_of_a_list_behind_known_proxies_the_last_that_is_none_of_them_counts() -> None:
    listed = Visitors(TrustedProxies.parse("192.0.2.0/24"))
    text = "198.51.100.1,203.0.113.9,192.0.2.7"
    assert listed.peer_and_client(text) == ("", "203.0.113.9")


@pytest.mark.parametrize(
    ("text", "forwarded"),
    [
        ("198.51.100.1", True),
        ("198.51.100.1, 10.0.0.1", True),
        ("2001:db8::1", True),
        ("172.18.0.7:5000", False),
        ("[2001:db8::1]:80", False),
        ("198.51.100.1, 172.18.0.7:5000", False),
        ("host.example", False),
        ("gzip", False),
        ("-", False),
        ("0.003", False),
    ],
)
def test_x_forwarded_for_is_told_from_an_upstream(text: str, forwarded: bool) -> None:
    assert is_forwarded(text) is forwarded


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", True),
        ("example.com:443", True),
        ("web1:80", True),
        ("203.0.113.9:80", True),
        ("[2001:db8::1]:80", True),
        ("bücher.example", True),
        ("localhost", True),
        ("-", True),
        ("_", True),
        ("203.0.113.9", False),
        ("web1", False),
        ("INFO", False),
        ("a/b.example", False),
        ("example.com:99999999", False),
        ("x" * 300, False),
    ],
)
def test_a_host_before_the_visitor(text: str, host: bool) -> None:
    assert is_virtual_host(text) is host


@pytest.mark.parametrize(
    ("text", "host"),
    [("", ""), ("-", ""), ("_", ""), ("web1", "web1"), ("example.com:443", "example.com:443")],
)
def test_hosts(text: str, host: str) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize("text", ["a b", "${jndi:x}", "/a", "a..b", "." * 100])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(BrokenLineError, match="neither a name nor an address"):
        host_of(text)


@given(st.text())
def test_any_text(text: str) -> None:
    assert isinstance(is_visitor(text), bool)
    assert isinstance(is_virtual_host(text), bool)
    assert isinstance(without_port(text), str)
    assert isinstance(addresses_in(text), list)

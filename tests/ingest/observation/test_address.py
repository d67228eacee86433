import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.observation.address import describe_address, describe_client
from ingest.request.client_address import TrustedProxies, resolve_client_ip

PEER = "203.0.113.9"


@pytest.mark.parametrize(
    ("text", "kind", "version", "network"),
    [
        ("8.8.4.4", "public", 4, "8.8.4.0/24"),
        ("10.1.2.3", "private", 4, "10.1.2.0/24"),
        ("fd00::1", "private", 6, "fd00::/48"),
        ("203.0.113.7", "reserved", 4, "203.0.113.0/24"),
        ("100.64.0.1", "reserved", 4, "100.64.0.0/24"),
        ("2001:db8::1", "reserved", 6, "2001:db8::/48"),
        ("127.0.0.1", "loopback", 4, "127.0.0.0/24"),
        ("169.254.7.7", "link-local", 4, "169.254.7.0/24"),
        ("::ffff:8.8.4.4", "public", 4, "8.8.4.0/24"),
        ("2a00:1450:4001:831::200e", "public", 6, "2a00:1450:4001::/48"),
        ("fe80::1%eth0", "link-local", 6, "fe80::/48"),
        ("::1", "loopback", 6, "::/48"),
        ("::", "unspecified", 6, "::/48"),
        ("ff02::1", "multicast", 6, "ff02::/48"),
        ("", "none", None, None),
        ("unix:/run/secret", "invalid", None, None),
        ("198.51.100.77.1", "invalid", None, None),
    ],
)
def test_addresses(text: str, kind: str, version: int | None, network: str | None) -> None:
    assert describe_address(text) == {"class": kind, "version": version, "network": network}


@given(st.ip_addresses())
def test_the_address_is_never_told(address: Any) -> None:
    told = describe_address(str(address))["network"]
    network = ipaddress.ip_network(told)
    assert network.num_addresses >= 256


@pytest.mark.parametrize(
    ("trusted", "headers", "expected"),
    [
        pytest.param("all", {}, ("peer", [], None), id="no header"),
        pytest.param(
            "all", {"x-forwarded-for": "8.8.4.4"}, ("x-forwarded-for", [], None), id="a header"
        ),
        pytest.param(
            "private",
            {"x-forwarded-for": "8.8.4.4", "x-plausible-ip-type": "dc_ip"},
            (
                "peer",
                ["x-forwarded-for", "x-plausible-ip-type"],
                "the peer is not among SLUICE_TRUSTED_PROXIES",
            ),
            id="a peer that is not trusted",
        ),
        pytest.param(
            "all",
            {"cf-connecting-ip": "8.8.4.4", "x-forwarded-for": "8.8.8.8"},
            (
                "cf-connecting-ip",
                ["x-forwarded-for"],
                "another header came first, or the value says nothing",
            ),
            id="two headers",
        ),
        pytest.param(
            "all",
            {"x-plausible-ip-type": "dc_ip"},
            ("peer", [], None),
            id="the type of the address",
        ),
    ],
)
def test_clients(
    trusted: str, headers: dict[str, str], expected: tuple[str, list[str], str | None]
) -> None:
    proxies = TrustedProxies.parse(trusted)
    client = resolve_client_ip(headers, PEER, proxies)
    told = describe_client(client, headers, PEER, proxies)
    assert (told["source"], told["headers_ignored"], told["why_ignored"]) == expected
    assert told["peer"]["trusted"] is (trusted == "all")
    assert PEER not in str(told)
